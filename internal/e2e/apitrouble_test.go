package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// apiFaults are the troubles that a directory API can have for as long as it
// lasts.
var apiFaults = []fakeidp.Fault{
	fakeidp.ServerError, fakeidp.LostAnswer, fakeidp.Redirect, fakeidp.Garbage, fakeidp.Unauthorized, fakeidp.Forbidden, fakeidp.GroupsHidden,
	fakeidp.FlagMissing, fakeidp.DataMissing, fakeidp.ForeignNext, fakeidp.ForeignDelta, fakeidp.Circle, fakeidp.Throttle, fakeidp.ThrottleDate,
	fakeidp.ThrottleReset, fakeidp.Quota, fakeidp.NoDate, fakeidp.InvalidClient, fakeidp.TokenTrouble, fakeidp.TokenThrottled, fakeidp.MissingScope,
	fakeidp.Expired410, fakeidp.Expired400, fakeidp.EmptyPages, fakeidp.Repeats, fakeidp.Sparse,
}

// TestAPITrouble: no trouble of a directory API takes anything from anybody
// whom it does not concern; after it the workspace is what the directory
// says. No secret stands anywhere (ON3, FT17). On both engines.
func TestAPITrouble(t *testing.T) {
	t.Parallel()
	for n, kind := range apiKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			playTroubles(t, kind, "", func(i int) bool { return !raceDetector || i%2 == n%2 })
		})
		t.Run(kind+" on PostgreSQL", func(t *testing.T) {
			t.Parallel()
			// Each fault is played by some kind: what differs is the store.
			playTroubles(t, kind, pgtest.NewDatabase(t), func(i int) bool { return i%len(apiKinds) == n })
		})
	}
}

// playTroubles plays the faults that are chosen, on a database or, with "", on
// SQLite.
func playTroubles(t *testing.T, kind, url string, plays func(fault int) bool) {
	t.Helper()
	fake, cfg := newAPI(t, kind)
	cfg.Directory.PageSize = map[string]int{oidc.Keycloak: 12}[kind]
	folder := t.TempDir()
	if url == "" {
		url = "sqlite:" + filepath.Join(folder, "rollcall.db")
	}
	w, err := openAPIWorld(url, folder, fake, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	p := &apiPlayer{fake: fake}
	for range 8 {
		p.join()
	}
	p.groups(kind)
	w.settled(t)
	for i, fault := range apiFaults {
		if plays(i) {
			w.trouble(t, p, fault)
		}
	}
	found, err := w.leaks(t.Context())
	if err != nil || len(found) != 0 {
		t.Errorf("secrets: %v %v", err, found)
	}
}

// settled polls until the workspace is what the directory says.
func (w *apiWorld) settled(t *testing.T) {
	t.Helper()
	for range 2 {
		w.fake.Wind(2 * time.Hour)
		if res, err := w.poll(t.Context(), true); err != nil || len(res.Run.IncompleteWhy) != 0 {
			t.Fatalf("poll: %v %v", err, res.Run.IncompleteWhy)
		}
	}
	have, err := w.members()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.truth(), have); diff != "" {
		t.Fatalf("the workspace differs from the directory (-directory +workspace):\n%s", diff)
	}
}

// trouble plays one fault: somebody joins and somebody is disabled meanwhile.
func (w *apiWorld) trouble(t *testing.T, p *apiPlayer, fault fakeidp.Fault) {
	t.Helper()
	before, err := w.members()
	if err != nil {
		t.Fatal(err)
	}
	off := p.in[0]
	person, _ := w.fake.Person(off)
	w.fake.Tokens.Revoke()
	w.fake.Break(fault, -1)
	for i := range 3 {
		w.fake.Wind(20 * time.Minute)
		if i == 1 {
			w.fake.Disable(off, true)
			p.join()
		}
		if _, err := w.poll(t.Context(), i == 2); err == nil {
			t.Logf("%s: poll %d passed", fault, i)
		}
		now, err := w.members()
		if err != nil {
			t.Fatal(err)
		}
		for email, role := range before {
			if email != person.Email && now[email] != role {
				t.Errorf("%s, poll %d: %s was %s and is %q", fault, i, email, role, now[email])
			}
		}
	}
	w.fake.Mend()
	w.fake.Wind(2 * time.Hour)
	w.settled(t)
	w.fake.Disable(off, false)
	w.settled(t)
}

// apiPlayer changes a fake's directory.
type apiPlayer struct {
	fake       *fakeidp.Server
	in         []string
	made       int
	top, inner string
}

// join adds a person.
func (p *apiPlayer) join() string {
	p.made++
	name := fmt.Sprintf("u%03d", p.made)
	id := p.fake.Add(fakeidp.Person{UserName: name + "@acme.com", Email: name + "@acme.com", Given: "Person", Family: name})
	p.in = append(p.in, id)
	return id
}

// groups adds the mapped group, and one within it where the API nests.
func (p *apiPlayer) groups(kind string) {
	first, second := fakeidp.Member{ID: p.in[0]}, fakeidp.Member{ID: p.in[1]}
	p.top = p.fake.AddGroup("phone-admins", first, second)
	switch kind {
	case oidc.Okta:
		p.inner = p.top
	case oidc.Keycloak:
		p.inner = p.fake.AddSubGroup(p.top, "inner", second)
	default:
		p.inner = p.fake.AddGroup("inner", second)
		p.fake.Join(p.top, fakeidp.Member{ID: p.inner, Group: true})
	}
}
