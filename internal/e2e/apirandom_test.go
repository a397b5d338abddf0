package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// TestAPIRandom plays random sequences of changes at the provider, deltas,
// full reads, faults and crashes (EV7). At every moment nobody whom the
// provider has always let in loses access, and nobody who has lost it by an
// explicit no has it again without a newer yes. In the end access is the
// provider's last word.
func TestAPIRandom(t *testing.T) {
	t.Parallel()
	for _, kind := range apiKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				folder, err := os.MkdirTemp(t.TempDir(), "run")
				if err != nil {
					rt.Fatal(err)
				}
				fake, cfg := newAPI(t, kind)
				w, err := newAPIWorld(folder, fake, cfg)
				if err != nil {
					rt.Fatal(err)
				}
				m := &apiMachine{apiPlayer: apiPlayer{fake: fake}, w: w, t: rt, kind: kind, said: map[string]saying{}}
				m.play()
				if err := w.close(); err != nil {
					rt.Fatal(err)
				}
				fake.Close()
			})
		})
	}
}

// saying is what the provider and the workspace last agreed on about a
// person, by address, while the provider has said the same ever since.
type saying struct{ in bool }

type apiMachine struct {
	apiPlayer
	w    *apiWorld
	t    *rapid.T
	kind string
	said map[string]saying
}

func (m *apiMachine) fail(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *apiMachine) play() {
	for range 6 {
		m.join()
	}
	m.groups(m.kind)
	m.whole()
	for range rapid.IntRange(4, 14).Draw(m.t, "steps") {
		for range rapid.IntRange(0, 3).Draw(m.t, "changes") {
			m.change()
		}
		m.fake.Wind(time.Duration(rapid.IntRange(1, 60*36).Draw(m.t, "minutes")) * time.Minute)
		m.read()
		m.check()
	}
	m.fake.Mend()
	m.fake.OnPage(nil)
	m.whole()
	have, err := m.w.members()
	m.fail(err)
	if diff := cmp.Diff(m.w.truth(), have); diff != "" {
		m.t.Fatalf("in the end the workspace differs from the provider (-provider +workspace):\n%s", diff)
	}
	found, err := m.w.leaks(context.Background())
	m.fail(err)
	if len(found) != 0 {
		m.t.Fatalf("secrets: %v", found)
	}
}

// whole polls as often as absence needs.
func (m *apiMachine) whole() {
	for range 2 {
		m.fake.Wind(2 * time.Hour)
		if res, err := m.w.poll(context.Background(), true); err != nil || len(res.Run.IncompleteWhy) != 0 {
			m.t.Fatalf("poll: %v %v", err, res.Run.IncompleteWhy)
		}
	}
	m.check()
}

// read polls once, perhaps under a fault, perhaps with a crash on the way.
func (m *apiMachine) read() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	full := rapid.IntRange(0, 3).Draw(m.t, "full") == 0
	switch rapid.IntRange(0, 5).Draw(m.t, "way") {
	case 0, 1:
		fault := rapid.SampledFrom(apiFaults).Draw(m.t, "fault")
		m.fake.Break(fault, rapid.SampledFrom([]int{-1, 1, 2}).Draw(m.t, "times"))
		m.fake.Tokens.Revoke()
		if _, err := m.w.poll(ctx, full); err != nil {
			m.t.Logf("%s: %v", fault, err)
		}
		m.fake.Mend()
		m.fake.Wind(2 * time.Minute) // what a provider that throttles has asked for
	case 2:
		at, turn := rapid.IntRange(1, 8).Draw(m.t, "crash at request"), 0
		m.fake.OnPage(func(string) {
			if turn++; turn == at {
				cancel()
			}
		})
		if _, err := m.w.poll(ctx, full); err != nil {
			m.t.Logf("crash: %v", err)
		}
		m.fake.OnPage(nil)
		m.fail(m.w.start())
	case 3:
		// The directory changes while it is read.
		at, turn := rapid.IntRange(1, 6).Draw(m.t, "change at request"), 0
		m.fake.OnPage(func(string) {
			if turn++; turn == at {
				m.change()
			}
		})
		_, err := m.w.poll(ctx, full)
		m.fake.OnPage(nil)
		m.fail(err)
	default:
		_, err := m.w.poll(ctx, full)
		m.fail(err)
	}
}

// check compares with what was agreed before, and agrees anew.
func (m *apiMachine) check() {
	have, err := m.w.members()
	m.fail(err)
	want := m.w.truth()
	for _, p := range m.fake.People() {
		_, in := have[p.Email]
		_, should := want[p.Email]
		s, agreed := m.said[p.Email]
		switch {
		case agreed && s.in == should && in != should && should:
			m.t.Fatalf("%s was let in all the time and has lost access", p.Email)
		case agreed && s.in == should && in != should:
			m.t.Fatalf("%s has access again, without a newer yes", p.Email)
		case in == should:
			m.said[p.Email] = saying{in}
		}
	}
	for email := range m.said {
		if _, should := want[email]; should != m.said[email].in {
			delete(m.said, email) // the provider has changed its mind since
		}
	}
}

// change does one thing at the provider.
func (m *apiMachine) change() {
	who := rapid.SampledFrom(m.in).Draw(m.t, "who")
	group := rapid.SampledFrom([]string{m.top, m.inner}).Draw(m.t, "group")
	p, there := m.fake.Person(who)
	switch op := rapid.SampledFrom([]string{"join", "delete", "disable", "enable", "name", "member", "leave", "nest", "rename"}).Draw(m.t, "op"); {
	case op == "join" || !there:
		m.join()
	case op == "delete" && len(m.fake.People()) > 5 && who != m.in[0]:
		m.fake.Delete(who)
		if rapid.Bool().Draw(m.t, "purged") {
			m.fake.Purge(who)
		}
	case op == "disable" && who != m.in[0]:
		delete(m.said, p.Email)
		m.fake.Disable(who, true)
	case op == "enable":
		delete(m.said, p.Email)
		m.fake.Disable(who, false)
	case op == "name":
		m.fake.Change(who, func(p *fakeidp.Person) { p.Title = "Cook" }, "jobTitle")
	case op == "member":
		m.fake.Join(group, fakeidp.Member{ID: who})
	case op == "leave" && who != m.in[0] && who != m.in[1]: // no group is ever empty, which is not believed (RD4)
		m.fake.Leave(group, who)
	case op == "nest" && m.kind != oidc.Okta && m.kind != oidc.Keycloak:
		if rapid.Bool().Draw(m.t, "out") {
			m.fake.Leave(m.top, m.inner)
		} else {
			m.fake.Join(m.top, fakeidp.Member{ID: m.inner, Group: true})
		}
	case op == "rename":
		m.fake.RenameGroup(m.inner, rapid.SampledFrom([]string{"inner", "core"}).Draw(m.t, "name"))
	}
}
