package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/store"
)

// maxBody bounds what is sent (WH1).
const maxBody = 64 << 10

// hook delivers to one receiver of Standard Webhooks.
type hook struct {
	cfg    *Webhook
	client *http.Client
	now    func() time.Time
}

// types are the patterns of the configuration.
func (h *hook) types() []string {
	if h.cfg.Types == nil {
		return []string{"*"}
	}
	return h.cfg.Types
}

// deliver sends one event.
func (h *hook) deliver(ctx context.Context, _ string, d *store.Delivery, _ func(part int) error) (result, error) {
	body, err := webhookBody(d)
	if err != nil {
		return result{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return result{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := h.sign(req, d.Event.ID, body); err != nil {
		return result{}, err
	}
	r, answer := call(h.client, req, h.now)
	if p, ok := readProof(answer); ok && r.acked {
		r.epoch, r.sessions = p.Epoch, p.SessionsEnded
	}
	return r, nil
}

// sign puts on the headers of Standard Webhooks: a signature by each secret.
func (h *hook) sign(req *http.Request, id string, body []byte) error {
	now := h.now()
	var signatures []string
	for _, ref := range h.cfg.Secret {
		v, err := ref.Resolve()
		if err != nil {
			return err
		}
		key, err := secretBytes(v)
		if err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		w, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return err
		}
		signature, err := w.Sign(id, now, body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	req.Header.Set("User-Agent", "rollcall")
	// The library reads these names; net/http would write them with capitals.
	req.Header[standardwebhooks.HeaderWebhookID] = []string{id}
	req.Header[standardwebhooks.HeaderWebhookTimestamp] = []string{strconv.FormatInt(now.Unix(), 10)}
	req.Header[standardwebhooks.HeaderWebhookSignature] = []string{strings.Join(signatures, " ")}
	return nil
}

// webhookBody is the event's body with what only the outbox knows: the
// sequences it answers for (OB5) and its place in the log. The same event has
// the same bytes on every try.
func webhookBody(d *store.Delivery) ([]byte, error) {
	var b struct {
		Type      json.RawMessage `json:"type"`
		Timestamp json.RawMessage `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(d.Event.Body, &b); err != nil {
		return nil, fmt.Errorf("body of event %s: %w", d.Event.ID, err)
	}
	data := bytes.TrimSuffix(bytes.TrimSpace(b.Data), []byte("}"))
	if len(data) == len(b.Data) || len(data) == 0 || data[0] != '{' {
		return nil, fmt.Errorf("body of event %s: data is no object", d.Event.ID)
	}
	if len(data) > 1 {
		data = append(data, ',')
	}
	b.Data = fmt.Appendf(data, `"covers":[%d,%d],"leaf":%d}`, d.From, d.Event.Seq, d.Event.Leaf)
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("body of event %s: %w", d.Event.ID, err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("body of event %s has %d bytes, at most %d are sent", d.Event.ID, len(body), maxBody)
	}
	return body, nil
}

// errUnproved: the receiver does not yet say that a leaver's access is gone.
var errUnproved = errors.New("not proved")

// verify reads back at the receiver that a member's sessions are gone (T4).
// The request is signed like an event, with an empty body.
func (h *hook) verify(ctx context.Context, row *store.DeliveryRow, epoch int64) error {
	address := strings.Replace(h.cfg.Verify, "{member}", url.PathEscape(row.Subject), 1)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	if err := h.sign(req, row.EventID, nil); err != nil {
		return err
	}
	r, body := call(h.client, req, h.now)
	if !r.acked {
		return fmt.Errorf("%w: %s, status %d", errUnproved, r.fault, r.status)
	}
	p, ok := readProof(body)
	if !ok || p.Sessions == nil || p.Epoch < epoch || *p.Sessions > 0 {
		return fmt.Errorf("%w: epoch or sessions are not what they should be", errUnproved)
	}
	return nil
}
