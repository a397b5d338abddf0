package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/sync"
)

var (
	seed  = flag.Uint64("seed", 0, "seed of the random sequences; 0 takes one from the clock (TestMain)")
	steps = flag.Int("steps", 0, "steps of each random sequence; 0 is 25 on slapd and 389, and 12 on Samba")
)

// TestRandomSequence changes a directory at random, one to four changes
// between two polls; after every step the workspace must be what an
// independent reading says.
func TestRandomSequence(t *testing.T) {
	t.Parallel()
	start := *seed
	n := func(usual int) int {
		if *steps > 0 {
			return *steps
		}
		return usual
	}
	t.Run("slapd", func(t *testing.T) {
		t.Parallel()
		randomSequence(t, newSlapd(t, ldaptest.SlapdOptions{}), start, n(25))
	})
	t.Run("samba", func(t *testing.T) {
		t.Parallel()
		randomSequence(t, newSamba(t), start, n(12))
	})
	t.Run("389", func(t *testing.T) {
		t.Parallel()
		randomSequence(t, newDS389(t, ldaptest.DS389Options{NoMemberOf: true}), start, n(25))
	})
}

// player changes a directory at random. It knows only what it needs for
// legal changes.
type player struct {
	directory
	rand *rand.Rand
	in   []string // login names below the base
	away []string
	off  map[string]bool
	made int
	log  []string
}

var departments = []string{"Sales", "Support", "Finance", "Basement"}

func randomSequence(t *testing.T, d directory, seed uint64, steps int) {
	p := &player{directory: d, rand: rand.New(rand.NewPCG(seed, 1)), off: map[string]bool{}}
	t.Logf("seed %d, %d steps", seed, steps)
	for range 15 {
		p.join()
	}
	d.group("inner", d.personDN("probe"))
	d.group("outer", d.personDN("probe"))
	d.group("team", d.personDN("probe"), d.groupDN("inner"))
	d.group("phone-admins", d.personDN("probe"), d.groupDN("outer"))
	// The probe is in every group, so that none is ever without members, which
	// groupOfNames does not allow.
	w := newWorld(t, d.config(), unbraked())
	w.polled.MinExpected = 1 // a small company may halve in an afternoon
	for step := range steps {
		p.log = nil
		if step > 0 {
			for range 1 + p.rand.IntN(4) {
				p.change()
			}
		}
		w.offset += time.Hour // counters and grace move on
		opt := sync.SyncOptions{Full: p.rand.IntN(5) == 0}
		res, err := w.try(opt)
		if err != nil || len(res.Run.IncompleteWhy) > 0 {
			t.Fatalf("seed %d, step %d, after %v: %v %v", seed, step, p.log, err, res.Run.IncompleteWhy)
		}
		w.agrees(d)
		if t.Failed() {
			t.Fatalf("seed %d, step %d, after %v:\n%s", seed, step, p.log, w.told(&res.Run))
		}
	}
}

func (p *player) say(format string, args ...any) { p.log = append(p.log, fmt.Sprintf(format, args...)) }

func (p *player) pick(list []string) string { return list[p.rand.IntN(len(list))] }

func (p *player) join() {
	p.made++
	uid := fmt.Sprintf("u%03d", p.made)
	department := p.pick(departments)
	p.say("join %s %s", uid, department)
	p.person(uid, uid+"@acme.com", department)
	p.in = append(p.in, uid)
}

// change does one legal change.
func (p *player) change() {
	if len(p.in) < 6 {
		p.join()
		return
	}
	who := p.pick(p.in)
	group := p.pick([]string{"team", "phone-admins", "inner", "outer"})
	switch p.rand.IntN(12) {
	case 0:
		p.join()
	case 1:
		p.say("delete %s", who)
		p.remove(p.personDN(who))
		p.in = slices.DeleteFunc(p.in, func(x string) bool { return x == who })
		delete(p.off, who)
	case 2:
		p.off[who] = !p.off[who]
		p.say("disable %s %v", who, p.off[who])
		p.disable(who, p.off[who])
	case 3:
		p.made++
		to := fmt.Sprintf("u%03d", p.made)
		p.say("rename %s %s", who, to)
		p.rename(who, to)
		p.in[slices.Index(p.in, who)] = to
		p.off[to] = p.off[who]
		delete(p.off, who)
	case 4:
		department := p.pick(departments)
		p.say("department %s %s", who, department)
		p.setDepartment(who, department)
	case 5:
		p.made++
		mail := fmt.Sprintf("m%03d@acme.com", p.made)
		p.say("mail %s %s", who, mail)
		p.set(p.personDN(who), "mail", mail)
	case 6:
		p.say("away %s", who)
		p.move(who, true)
		p.in = slices.DeleteFunc(p.in, func(x string) bool { return x == who })
		p.away = append(p.away, who)
	case 7:
		if len(p.away) > 0 {
			back := p.pick(p.away)
			p.say("back %s", back)
			p.move(back, false)
			p.away = slices.DeleteFunc(p.away, func(x string) bool { return x == back })
			p.in = append(p.in, back)
		}
	case 8, 9:
		p.toggle(group, p.personDN(who), who)
	default:
		other := p.pick([]string{"inner", "outer", "team", "phone-admins"})
		if other != group {
			p.toggle(group, p.groupDN(other), other)
		}
	}
}

// toggle puts a member into a group or takes it out.
func (p *player) toggle(group, dn, name string) {
	if p.holds(group, dn) {
		p.say("%s leaves %s", name, group)
		p.dropMember(group, dn)
		return
	}
	p.say("%s into %s", name, group)
	p.addMember(group, dn)
}
