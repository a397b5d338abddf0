package events

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Pages of the feed and of the epochs.
const (
	feedPage  = 1000
	epochPage = 1000
)

// cursorOf writes a place of the feed; readers treat it as opaque (RF2).
func cursorOf(p store.RevocationPlace) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%s", p.Gen, p.Leaf, p.Member))
}

var errCursor = errors.New("no cursor of ours")

// placeOf reads a cursor.
func placeOf(cursor string) (p store.RevocationPlace, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return p, errCursor
	}
	parts := strings.SplitN(string(raw), ".", 3)
	if len(parts) != 3 {
		return p, errCursor
	}
	gen, gerr := strconv.ParseInt(parts[0], 10, 64)
	leaf, lerr := strconv.ParseInt(parts[1], 10, 64)
	p = store.RevocationPlace{Gen: gen, Leaf: leaf, Member: parts[2]}
	if gerr != nil || lerr != nil || leaf < -1 || cursorOf(p) != cursor {
		return p, errCursor
	}
	return p, nil
}

// epochs pages the whole map; its first page names the cursor from which the
// feed goes on without a gap (RF1).
func (a *api) epochs(w http.ResponseWriter, r *http.Request) {
	ws, err := a.authorize(r, ScopeRevocations)
	if err != nil {
		a.refuse(w, err)
		return
	}
	after := r.URL.Query().Get("after_member")
	page := struct {
		Epochs []epochView `json:"epochs"`
		// AfterMember asks for the next page, null at the end.
		AfterMember *string `json:"after_member"`
		// Next is the feed's cursor as of this page; the first page's counts.
		Next string `json:"next"`
	}{Epochs: []epochView{}}
	err = a.store.In(ws).View(r.Context(), func(rd *store.Reader) error {
		end, err := rd.FeedEnd()
		if err != nil {
			return err
		}
		page.Next = cursorOf(end)
		rows, err := rd.Epochs(after, epochPage)
		for i := range rows {
			page.Epochs = append(page.Epochs, epochView{rows[i].Member, rows[i].Epoch, rows[i].State})
		}
		if len(rows) == epochPage {
			page.AfterMember = &rows[len(rows)-1].Member
		}
		return err
	})
	switch {
	case errors.Is(err, store.ErrText):
		a.invalid(w, fieldError{"after_member", "it is no member's id", "take after_member of the page before; leave it out for the first page"})
	case err != nil:
		a.broken(w, err)
	default:
		w.Header().Set("Cache-Control", "no-store")
		a.write(w, http.StatusOK, "application/json", page)
	}
}

type revocationView struct {
	epochView
	At workspace.Micros `json:"at"`
}

// revocations gives what follows a cursor, at once or when there is something
// (RF2).
func (a *api) revocations(w http.ResponseWriter, r *http.Request) {
	ws, err := a.authorize(r, ScopeRevocations)
	if err != nil {
		a.refuse(w, err)
		return
	}
	place, wait, wrong := a.feedQuery(r)
	if wrong != nil {
		a.invalid(w, *wrong)
		return
	}
	until := a.now().Add(wait)
	for {
		arrived := a.d.arrive.wait()
		var rows []store.RevocationRow
		var end store.RevocationPlace
		err := a.store.In(ws).View(r.Context(), func(rd *store.Reader) (err error) {
			if end, err = rd.FeedEnd(); err != nil {
				return err
			}
			rows, err = rd.Revocations(place, feedPage)
			return err
		})
		switch {
		case errors.Is(err, workspace.ErrStale):
			a.fail(w, http.StatusGone, "cursor_gone", "The cursor is too old, or from before a restore.", "Load /v1/epochs again, and go on from its next.")
			return
		case err != nil:
			a.broken(w, err)
			return
		case len(rows) > 0 || !a.wait(r, arrived, until):
			a.answerFeed(w, rows, end)
			return
		}
	}
}

// feedQuery reads the two parameters of the feed.
func (a *api) feedQuery(r *http.Request) (store.RevocationPlace, time.Duration, *fieldError) {
	q := r.URL.Query()
	place, err := placeOf(q.Get("after"))
	if err != nil {
		return place, 0, &fieldError{"after", "it is no cursor", "take next of /v1/epochs or of the answer before"}
	}
	var wait time.Duration
	if text := q.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			return place, 0, &fieldError{"wait", "it is no length of time", "write it as 25s; 30s at most"}
		}
	}
	return place, min(wait, a.maxWait), nil
}

func (a *api) answerFeed(w http.ResponseWriter, rows []store.RevocationRow, end store.RevocationPlace) {
	page := struct {
		Revocations []revocationView `json:"revocations"`
		Next        string           `json:"next"`
	}{Revocations: []revocationView{}}
	for i := range rows {
		v := &rows[i]
		page.Revocations = append(page.Revocations, revocationView{epochView{v.Member, v.Epoch, v.State}, v.At})
	}
	// Behind a full page there may be more; behind another one there was
	// nothing, so the cursor moves on and does not grow old in quiet times.
	next := end
	if len(rows) == feedPage {
		last := &rows[len(rows)-1]
		next = store.RevocationPlace{Gen: last.Gen, Leaf: last.Leaf, Member: last.Member}
	}
	page.Next = cursorOf(next)
	w.Header().Set("Cache-Control", "no-store")
	a.write(w, http.StatusOK, "application/json", page)
}
