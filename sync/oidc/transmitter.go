package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// transmitter is what a stream's transmitter says of itself (SSF 1.0 section
// 7.1).
type transmitter struct {
	Issuer  string `json:"issuer"`
	Keys    string `json:"jwks_uri"`
	Streams string `json:"configuration_endpoint"`
	keys    *keySet
	readAt  time.Time
	poll    string // where to poll
}

// transmitter gives what the transmitter says of itself, and reads it if it
// must. While it cannot be asked, what it said before is good.
func (p *Provider) transmitter(ctx context.Context) (*transmitter, error) {
	if !p.cfg.Signals.SSF.Has() {
		return nil, refuseToken("the connection has no stream")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.opt.Now()
	if p.transmit != nil && now.Sub(p.transmit.readAt) < discoveryFresh {
		return p.transmit, nil
	}
	found, err := p.readTransmitter(ctx)
	if err != nil {
		if errors.Is(err, sync.ErrHostChanged) {
			p.transmit = nil
		}
		if p.transmit != nil {
			return p.transmit, nil
		}
		return nil, err
	}
	if p.transmit != nil && p.transmit.Keys == found.Keys {
		found.keys = p.transmit.keys
	}
	found.readAt = now
	p.transmit = found
	return found, nil
}

// readTransmitter reads the metadata. Its issuer must be the host's that the
// configuration names, and its endpoints lie there or at known hosts (ON1).
func (p *Provider) readTransmitter(ctx context.Context) (*transmitter, error) {
	at := p.cfg.Signals.SSF.Config
	body, err := fetch(ctx, p.client, at, "")
	if err != nil {
		return nil, fmt.Errorf("%w: reading %s: %w", sync.ErrProvider, at, err)
	}
	t := &transmitter{}
	if err := json.Unmarshal(body, t); err != nil || t.Issuer == "" || t.Keys == "" {
		return nil, fmt.Errorf("%w: %s is no configuration of a transmitter", sync.ErrProvider, at)
	}
	from, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	near := p.cfg
	near.EndpointHosts = append([]string{from.Hostname()}, near.EndpointHosts...)
	leads := map[string]string{"issuer": t.Issuer, "jwks_uri": t.Keys, "configuration_endpoint": t.Streams}
	if err := p.judge(ctx, &near, at, leads, "configuration_endpoint"); err != nil {
		return nil, err
	}
	t.keys = newKeySet(t.Keys, p.client, p.opt.Now)
	t.poll = p.cfg.Signals.SSF.Endpoint
	if p.cfg.Signals.SSF.Mode == "poll" && t.poll == "" {
		if t.poll, err = p.streamEndpoint(ctx, t); err != nil {
			return nil, err
		}
		if err := p.judge(ctx, &near, t.Streams, map[string]string{"endpoint_url": t.poll}); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// pollDelivery is the delivery method of streams that are polled (RFC 8936).
const pollDelivery = "urn:ietf:rfc:8936"

// stream is the part of a stream's configuration that is read (SSF 1.0
// section 8.1.1).
type stream struct {
	Audience audience `json:"aud"`
	Delivery struct {
		Method   string `json:"method"`
		Endpoint string `json:"endpoint_url"`
	} `json:"delivery"`
}

// streamEndpoint asks the transmitter where our stream is polled.
func (p *Provider) streamEndpoint(ctx context.Context, t *transmitter) (string, error) {
	if t.Streams == "" {
		return "", fmt.Errorf("%w: the transmitter has no configuration_endpoint: write signals.ssf.endpoint", sync.ErrProvider)
	}
	token, err := p.cfg.Signals.SSF.Authorization.Resolve()
	if err != nil {
		return "", fmt.Errorf("signals.ssf.authorization: %w", err)
	}
	body, err := fetch(ctx, p.client, t.Streams, token.Reveal())
	if err != nil {
		return "", fmt.Errorf("%w: asking for the stream: %w", sync.ErrProvider, err)
	}
	var streams []stream
	var one stream
	if json.Unmarshal(body, &streams) != nil && json.Unmarshal(body, &one) == nil {
		streams = []stream{one}
	}
	for _, s := range streams {
		if s.Delivery.Method == pollDelivery && s.Delivery.Endpoint != "" {
			return s.Delivery.Endpoint, nil
		}
	}
	return "", fmt.Errorf("%w: the transmitter has no stream for us that is polled: make one, or write signals.ssf.endpoint", sync.ErrProvider)
}

// SetError is what we tell a transmitter of a token that we refuse (RFC 8936
// section 2.6).
type SetError struct {
	Err         string `json:"err"`
	Description string `json:"description,omitempty"`
}

// Polled is an answer of a stream that is polled.
type Polled struct {
	Sets map[string]string `json:"sets"` // tokens by jti
	More bool              `json:"moreAvailable"`
}

// maxSets is how many tokens are asked for at once.
const maxSets = 25

// Poll acknowledges tokens of before and asks for more (RFC 8936 section 2.4).
func (p *Provider) Poll(ctx context.Context, acks []string, refused map[string]SetError) (Polled, error) {
	t, err := p.transmitter(ctx)
	if err != nil {
		return Polled{}, err
	}
	token, err := p.cfg.Signals.SSF.Authorization.Resolve()
	if err != nil {
		return Polled{}, fmt.Errorf("signals.ssf.authorization: %w", err)
	}
	if acks == nil {
		acks = []string{}
	}
	if refused == nil {
		refused = map[string]SetError{}
	}
	ask, err := json.Marshal(map[string]any{"maxEvents": maxSets, "returnImmediately": true, "ack": acks, "setErrs": refused})
	if err != nil {
		return Polled{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.poll, bytes.NewReader(ask))
	if err != nil {
		return Polled{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	body, err := do(p.client, req)
	if err != nil {
		return Polled{}, fmt.Errorf("%w: polling the stream: %w", sync.ErrProvider, err)
	}
	var out Polled
	if err := json.Unmarshal(body, &out); err != nil {
		return Polled{}, errors.Join(sync.ErrProvider, errors.New("the answer of the stream cannot be read"))
	}
	return out, nil
}
