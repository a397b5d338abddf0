package events

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// stream makes the tokens of one stream; push and poll both do.
type stream struct {
	cfg    *Stream
	issuer string
	signer *signer
	store  *store.Store
}

// types are the outbox events of which the stream says anything.
func (s *stream) types() []string { return streamTypes(s.cfg) }

// tokens makes an event's tokens and what they need to be signed.
func (s *stream) tokens(ctx context.Context, workspace string, e *store.EventRow) (all []token, p *payload, err error) {
	err = s.store.In(workspace).View(ctx, func(r *store.Reader) (err error) {
		all, p, err = s.tokensIn(r, e)
		return err
	})
	return all, p, err
}

// tokensIn is tokens within a unit of work.
func (s *stream) tokensIn(r *store.Reader, e *store.EventRow) ([]token, *payload, error) {
	p, err := readPayload(e)
	if err != nil {
		return nil, nil, err
	}
	var users []scimUser
	if s.cfg.sends(sendSCIM) && e.SubjectType == "member" {
		if users, err = scimUsers(r, e.Subject); err != nil {
			return nil, nil, err
		}
	}
	return tokens(s.cfg, s.issuer, e, &p, users), &p, nil
}

func (s *stream) sign(ctx context.Context, e *store.EventRow, p *payload, t *token) (string, error) {
	return s.signer.sign(ctx, claimsOf(s.cfg, s.issuer, e, p, t))
}

// push delivers tokens by RFC 8935.
type push struct {
	stream
	client *http.Client
	now    func() time.Time
}

// deliver sends an event's tokens one after the other, from the one on that
// the receiver does not have yet.
func (s *push) deliver(ctx context.Context, workspace string, d *store.Delivery, progress func(part int) error) (result, error) {
	all, p, err := s.tokens(ctx, workspace, &d.Event)
	if err != nil {
		return result{}, err
	}
	for part := min(d.Part, len(all)); part < len(all); part++ {
		text, err := s.sign(ctx, &d.Event, p, &all[part])
		if err != nil {
			return result{}, err
		}
		r, err := s.send(ctx, text)
		if err != nil || !r.acked {
			return r, err
		}
		if part+1 < len(all) {
			if err := progress(part + 1); err != nil {
				return result{}, err
			}
		}
	}
	return result{acked: true, status: http.StatusAccepted}, nil
}

// send pushes one token (RFC 8935 section 2).
func (s *push) send(ctx context.Context, text string) (result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, strings.NewReader(text))
	if err != nil {
		return result{}, err
	}
	req.Header.Set("Content-Type", "application/secevent+jwt")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "rollcall")
	if !s.cfg.Authorization.IsZero() {
		v, err := s.cfg.Authorization.Resolve()
		if err != nil {
			return result{}, err
		}
		req.Header.Set("Authorization", authorization(v.Reveal()))
	}
	r, body := call(s.client, req, s.now)
	if r.status != http.StatusBadRequest {
		return r, nil
	}
	r.alarm, r.fault = true, setFault(body)
	return r, nil
}

// authorization takes a whole header, or makes one of a bearer token.
func authorization(text string) string {
	if strings.Contains(text, " ") {
		return text
	}
	return "Bearer " + text
}

// setFaults are the error codes of RFC 8935 section 2.4 and RFC 8936 section
// 2.6; a receiver's own words are not repeated.
var setFaults = []string{
	"invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied", "jwtParse",
	"jwtHdr", "jwtCrypto", "jws", "jwe", "jwtAud", "jwtIss", "setType", "setParse", "setData", "dup",
}

// setFault reads a receiver's error code.
func setFault(body []byte) string {
	var answer struct {
		Err string `json:"err"`
	}
	if json.Unmarshal(body, &answer) == nil && slices.Contains(setFaults, answer.Err) {
		return answer.Err
	}
	return "refused"
}

// heartbeat pushes a verification event (ST6).
func (s *push) heartbeat(ctx context.Context) (result, error) {
	text, err := s.signer.sign(ctx, heartbeat(s.cfg, s.issuer, s.now()))
	if err != nil {
		return result{}, err
	}
	return s.send(ctx, text)
}
