package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	stdsync "sync"

	"github.com/rollcall-sync/rollcall/store"
)

// The sizes of a page.
const (
	defaultPage = 50
	maxPage     = 200
)

// page is one page of a listing. Next is the cursor of the page behind it, ""
// at the end.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"cursor of the next page; absent on the last"`
}

// cursorKeys remembers the workspaces' keys. Its zero value is empty; it is
// safe for concurrent use.
type cursorKeys struct {
	mu   stdsync.Mutex
	keys map[string][]byte // by workspace, guarded by mu
}

func (c *cursorKeys) of(r *store.Reader, workspace string) ([]byte, error) {
	c.mu.Lock()
	key := c.keys[workspace]
	c.mu.Unlock()
	if key != nil {
		return key, nil
	}
	row, err := r.Workspace()
	if err != nil {
		return nil, err
	}
	if key, err = hex.DecodeString(row.CursorKey); err != nil {
		return nil, fmt.Errorf("the workspace's cursor key is damaged: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = map[string][]byte{}
	}
	c.keys[workspace] = key
	return key, nil
}

// listed reads one page: fetch gives up to limit rows behind a place, and
// place tells where a row stands. Cursors are opaque and hold for the listing
// and filter that they were made for alone.
func listed[P, R, V any](x *exchange, fetch func(r *store.Reader, after P, limit int) ([]R, error), place func(R) P,
	view func(r *store.Reader, row R) (V, error),
) (*reply, error) {
	limit := defaultPage
	if text := x.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return nil, invalid(header("limit", "it is no number from 1 to 200", "leave it out for 50"))
		}
		limit = n
	}
	out := page[V]{Items: []V{}}
	err := x.caller.handle.View(x.r.Context(), func(r *store.Reader) error {
		key, err := x.h.cursors.of(r, x.caller.workspace)
		if err != nil {
			return err
		}
		var after P
		if text := x.query.Get("cursor"); text != "" {
			if !x.openCursor(key, text, &after) {
				return invalid(header("cursor", "it is not a cursor of this listing", "start again without one"))
			}
		}
		rows, err := fetch(r, after, limit+1)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			if out.Next, err = x.sealCursor(key, place(rows[limit-1])); err != nil {
				return err
			}
		}
		for _, row := range rows {
			v, err := view(r, row)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return plain(200, out)
}

// cursorMAC binds a cursor to workspace, listing and filter.
func (x *exchange) cursorMAC(key, place []byte) []byte {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\x00%s\x00", x.route.id, x.r.URL.EscapedPath())
	for _, name := range slices.Sorted(maps.Keys(x.query)) {
		if name != "cursor" && name != "limit" {
			fmt.Fprintf(mac, "%s=%q\x00", name, x.query[name])
		}
	}
	mac.Write(place)
	return mac.Sum(nil)[:16]
}

func (x *exchange) sealCursor(key []byte, place any) (string, error) {
	body, err := json.Marshal(place)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(x.cursorMAC(key, body), body...)), nil
}

func (x *exchange) openCursor(key []byte, text string, place any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < 16 {
		return false
	}
	return hmac.Equal(raw[:16], x.cursorMAC(key, raw[16:])) && json.Unmarshal(raw[16:], place) == nil
}
