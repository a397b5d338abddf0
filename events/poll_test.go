package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// serving is the dispatcher's handler on loopback; the token "good" may read.
func (w *world) serving() *httptest.Server {
	w.Helper()
	s := httptest.NewServer(w.d.Handler(func(r *http.Request, scope string) (string, error) {
		switch r.Header.Get("Authorization") {
		case "Bearer good":
			if scope != ScopeRevocations {
				return "", ErrForbidden
			}
			return "acme", nil
		case "Bearer other":
			return "", ErrForbidden
		case "Bearer broken":
			return "", store.ErrUnavailable
		default:
			return "", ErrUnauthenticated
		}
	}))
	w.Cleanup(s.Close)
	return s
}

// ask makes a call and reads its JSON answer.
func ask(t *testing.T, method, address, token, body string) (int, http.Header, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return res.StatusCode, res.Header, v
}

// TestPoll: unacknowledged tokens come again, one of a member at a time, and
// a long poll wakes up (ST5).
func TestPoll(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		c := streamed(t, w, Stream{Deliver: deliverPoll, Authorization: secretFile(t, "letmein")})
		w.run(c)
		s := w.serving()
		poll := func(body string) (jtis []string, more bool) {
			t.Helper()
			code, _, v := ask(t, http.MethodPost, s.URL+"/v1/sets/siem", "letmein", body)
			if code != http.StatusOK {
				t.Fatalf("%d: %v", code, v)
			}
			sets := v["sets"].(map[string]any)
			for jti, text := range sets {
				if got := decode(t, text.(string), 1)["jti"]; got != jti {
					t.Errorf("token %s stands under %s", got, jti)
				}
			}
			return slices.Sorted(maps.Keys(sets)), v["moreAvailable"].(bool)
		}
		want := func(what string, got, want []string) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		beat, _ := poll(`{"returnImmediately":true}`)
		if len(beat) != 1 || !strings.HasPrefix(beat[0], "ssf_siem_") {
			t.Fatalf("no heartbeat, but %v", beat)
		}
		none, _ := poll(`{"returnImmediately":true,"ack":["` + beat[0] + `","unknown"]}`)
		want("after the heartbeat", none, nil)

		w.member("m2")
		w.say("m1", "member.deactivated", "member.reactivated")
		w.say("m2", "session.revoked")
		for range 2 {
			got, more := poll(`{"returnImmediately":true}`)
			want("all", got, []string{"evt_m1-1.session", "evt_m2-1.session"})
			if more {
				t.Error("more of what?")
			}
		}
		got, more := poll(`{"maxEvents":1,"returnImmediately":true}`)
		if len(got) != 1 || !more {
			t.Errorf("one of two: %v, %v", got, more)
		}
		got, more = poll(`{"maxEvents":0,"ack":["evt_m1-1.session"]}`)
		want("only acknowledging", got, nil)
		if !more {
			t.Error("there is more")
		}
		got, _ = poll(`{"returnImmediately":true,"ack":["evt_m2-1.session"]}`)
		want("the second part", got, []string{"evt_m1-1.u1.prov-deactivate"})
		// A refused token is put off; its line does not go on without it.
		got, _ = poll(`{"returnImmediately":true,"setErrs":{"evt_m1-1.u1.prov-deactivate":{"err":"jwtAud","description":"x"}}}`)
		want("refused", got, nil)
		lines := w.waiting("siem")
		if len(lines) != 1 || lines[0].Fault != "jwtAud" {
			t.Errorf("waiting: %+v", lines)
		}
		w.update(func(tx *store.Tx) error { _, err := tx.RetrySink("siem", workspace.At(w.now())); return err })
		got, _ = poll(`{"returnImmediately":true}`)
		want("again", got, []string{"evt_m1-1.u1.prov-deactivate"})
		got, _ = poll(`{"returnImmediately":true,"ack":["evt_m1-1.u1.prov-deactivate"]}`)
		want("the next event", got, []string{"evt_m1-2.u1.prov-activate"})

		type answer struct {
			jtis []string
			took time.Duration
		}
		answered := make(chan answer)
		go func() {
			start := time.Now()
			jtis, _ := poll(`{"ack":["evt_m1-2.u1.prov-activate"]}`)
			answered <- answer{jtis, time.Since(start)}
		}()
		select {
		case a := <-answered:
			t.Fatalf("a long poll did not wait: %v", a)
		case <-time.After(300 * time.Millisecond):
		}
		w.say("m2", "member.deactivated")
		a := <-answered
		want("long poll", a.jtis, []string{"evt_m2-2.session"})
	})
}

func TestPollRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	w.run(streamed(t, w, Stream{Deliver: deliverPoll, Authorization: secretFile(t, "letmein")}))
	s := w.serving()
	for _, c := range []struct {
		path, token, body string
		status            int
	}{
		{"/v1/sets/siem", "", `{}`, 401},
		{"/v1/sets/siem", "wrong", `{}`, 401},
		{"/v1/sets/other", "letmein", `{}`, 401},
		{"/v1/sets/siem", "letmein", `[`, 400},
		{"/v1/sets/siem", "letmein", `{"maxEvents":-1}`, 400},
		{"/v1/sets/siem", "letmein", `{"ack":["` + strings.Repeat("x", maxPollBody) + `"]}`, 400},
		{"/v1/sets/siem", "letmein", `{"ack":["a\u0000b"],"returnImmediately":true}`, 200},
	} {
		code, header, v := ask(t, http.MethodPost, s.URL+c.path, c.token, c.body)
		if code != c.status {
			t.Errorf("%s %.30s: %d %v, want %d", c.path, c.body, code, v, c.status)
		}
		if code >= 400 && header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", c.path, header.Get("Content-Type"))
		}
	}
	for scheme, status := range map[string]int{"bearer ": 200, "BEARER  ": 200, "Basic ": 401, "": 401} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/sets/siem", strings.NewReader(`{"returnImmediately":true}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", scheme+"letmein")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != status {
			t.Errorf("scheme %q: %d, %v; want %d", scheme, res.StatusCode, err, status)
		}
	}
}

// TestJWKS: the key in use and those of the last 30 days, public halves only.
func TestJWKS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	w.clock = time.Now()
	w.run(streamed(t, w, Stream{Deliver: deliverPoll, Authorization: secretFile(t, "letmein")}))
	s := w.serving()
	for kid, age := range map[string]time.Duration{"old": 31 * 24 * time.Hour, "recent": 29 * 24 * time.Hour} {
		if err := w.store.PutSigningKey(t.Context(), kid, []byte(`{"kid":"`+kid+`"}`), workspace.At(w.now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	code, _, v := ask(t, http.MethodGet, s.URL+"/v1/jwks", "", "")
	keys := v["keys"].([]any)
	if code != 200 || len(keys) != 2 || keys[1].(map[string]any)["kid"] != "recent" {
		t.Fatalf("%d %v", code, v)
	}
	first := keys[0].(map[string]any)
	if first["kty"] != "EC" || first["alg"] != "ES256" || first["d"] != nil || first["kid"] == "" {
		t.Errorf("%v", first)
	}
}

// TestFeed: the map, then the feed, without a gap (RF1 to RF4).
func TestFeed(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		w.run(Config{})
		s := w.serving()
		leaf := func(member, kind string) {
			w.update(func(tx *store.Tx) error {
				h, err := tx.LockAuditHead()
				if err != nil {
					return err
				}
				n := h.Size
				h.Size++
				if err := tx.AppendAudit(h, n, []byte("{}"), nil); err != nil {
					return err
				}
				seq, err := tx.NextSeq("member", member)
				if err != nil {
					return err
				}
				return tx.InsertEvents([]store.EventRow{{
					SubjectType: "member", Subject: member, Seq: seq, ID: member + kind, Type: kind,
					Leaver: slices.Contains(ends, kind), Leaf: n, At: workspace.At(w.now()), Body: []byte(`{}`),
				}})
			})
		}
		w.member("m1")
		w.member("m2")
		leaf("m1", "member.deactivated")
		code, _, all := ask(t, http.MethodGet, s.URL+"/v1/epochs", "good", "")
		if epochs := all["epochs"].([]any); code != 200 || len(epochs) != 2 || all["after_member"] != nil {
			t.Fatalf("%d %v", code, all)
		}
		feed := func(after, wait string) (int, map[string]any) {
			code, _, v := ask(t, http.MethodGet, s.URL+"/v1/revocations?after="+after+"&wait="+wait, "good", "")
			return code, v
		}
		code, quiet := feed(all["next"].(string), "0s")
		if code != 200 || len(quiet["revocations"].([]any)) != 0 {
			t.Fatalf("%d %v", code, quiet)
		}
		go func() {
			time.Sleep(100 * time.Millisecond)
			if err := w.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { _, err := tx.LockAuditHead(); return err }); err != nil {
				t.Error(err)
			}
			leaf("m2", "session.revoked")
		}()
		code, news := feed(quiet["next"].(string), "25s")
		rows := news["revocations"].([]any)
		if code != 200 || len(rows) != 1 || rows[0].(map[string]any)["member"] != "m2" || rows[0].(map[string]any)["epoch"] != 7.0 {
			t.Fatalf("%d %v", code, news)
		}
		for name, c := range map[string]struct {
			path, token string
			status      int
			code        string
		}{
			"no token":      {"/v1/epochs", "", 401, "unauthenticated"},
			"wrong scope":   {"/v1/revocations?after=x", "other", 403, "scope"},
			"store away":    {"/v1/members/m1/epoch", "broken", 503, "busy"},
			"no cursor":     {"/v1/revocations", "good", 422, "invalid"},
			"bad cursor":    {"/v1/revocations?after=abc", "good", 422, "invalid"},
			"bad wait":      {"/v1/revocations?wait=x&after=" + quiet["next"].(string), "good", 422, "invalid"},
			"other gen":     {"/v1/revocations?after=" + cursorOf(store.RevocationPlace{Gen: 9}), "good", 410, "cursor_gone"},
			"future":        {"/v1/revocations?after=" + cursorOf(store.RevocationPlace{Gen: 1, Leaf: 99}), "good", 410, "cursor_gone"},
			"nobody":        {"/v1/members/m9/epoch", "good", 404, "not_found"},
			"hostile id":    {"/v1/members/%00/epoch", "good", 404, "not_found"},
			"hostile after": {"/v1/epochs?after_member=%00", "good", 422, "invalid"},
		} {
			status, _, v := ask(t, http.MethodGet, s.URL+c.path, c.token, "")
			if status != c.status || v["code"] != c.code {
				t.Errorf("%s: %d %v, want %d %s", name, status, v, c.status, c.code)
			}
		}
		code, header, one := ask(t, http.MethodGet, s.URL+"/v1/members/m1/epoch", "good", "")
		if code != 200 || header.Get("Cache-Control") != "no-store" || one["epoch"] != 7.0 || one["state"] != "active" {
			t.Errorf("%d %v %v", code, header, one)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(cursorOf(store.RevocationPlace{Gen: 1, Leaf: -1}))
	f.Add(cursorOf(store.RevocationPlace{Gen: 2, Leaf: 42, Member: "m.1"}))
	f.Add("abc")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := placeOf(text)
		if err == nil && cursorOf(p) != text {
			t.Fatalf("%q reads as %+v", text, p)
		}
	})
}
