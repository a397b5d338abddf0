package scim

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/admission"
)

// sender sends so many requests a second, evenly, in a simulation.
type sender struct {
	limit      *limiter
	perSecond  int
	changes    bool
	sent, done int
	longest    time.Duration // that it was told to wait
}

// simulate lets senders send for so many seconds of a clock of ours.
func simulate(seconds int, senders ...*sender) {
	const tick = time.Millisecond
	start := time.Unix(1_700_000_000, 0)
	for at := time.Duration(0); at < time.Duration(seconds)*time.Second; at += tick {
		for _, s := range senders {
			for ; s.sent < int(at.Seconds()*float64(s.perSecond)); s.sent++ {
				reads, changes := 1, 0
				if s.changes {
					reads, changes = 0, 1
				}
				wait, ok := s.limit.take(start.Add(at), reads, changes)
				if ok {
					s.done++
				}
				s.longest = max(s.longest, wait)
			}
		}
	}
}

// TestWorkspaceCeiling: noisy connections of one workspace share what is left
// beyond the floor of each; a steady one has its 25 a second, in the same
// workspace and in another (FT13, MV05).
func TestWorkspaceCeiling(t *testing.T) {
	t.Parallel()
	acme, beta := &ceiling{rate: sharedRate}, &ceiling{rate: sharedRate}
	connection := func(c *ceiling) *limiter { return &limiter{rate: defaultRate, shared: c} }
	var noisy []*sender
	for range 10 {
		l := connection(acme)
		noisy = append(noisy, &sender{limit: l, perSecond: 500}, &sender{limit: l, perSecond: 500, changes: true})
	}
	steady := &sender{limit: connection(acme), perSecond: floorRate, changes: true}
	other := &sender{limit: connection(beta), perSecond: defaultRate}
	const seconds = 60
	simulate(seconds, append(noisy, steady, other)...)
	for name, s := range map[string]*sender{"the steady one beside them": steady, "the one of another workspace": other} {
		if s.done != s.sent || s.longest != 0 {
			t.Errorf("%s: %d of %d passed", name, s.done, s.sent)
		}
	}
	all := 0
	for i := 0; i < len(noisy); i += 2 {
		both := noisy[i].done + noisy[i+1].done
		all += both
		if both < floorRate*seconds {
			t.Errorf("noisy connection %d: %d passed in %d s, less than its floor", i/2, both, seconds)
		}
	}
	// Ten floors and what they share, with the bursts of the beginning.
	if most := (10*floorRate + sharedRate) * (seconds + burstOf); all > most || all < most*9/10 {
		t.Errorf("the noisy workspace: %d passed in %d s, want up to %d", all, seconds, most)
	}
	for _, s := range noisy {
		if s.longest > time.Second {
			t.Errorf("a connection was told to wait %s", s.longest)
		}
	}
}

// TestWorkspaceCeilingAlone: one connection at its full rate never meets the
// ceiling, reading and changing at once.
func TestWorkspaceCeilingAlone(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{1, 10, defaultRate, 1000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			l := &limiter{rate: float64(rate), shared: &ceiling{rate: max(sharedRate, 2*float64(rate))}}
			reads, changes := &sender{limit: l, perSecond: rate}, &sender{limit: l, perSecond: rate, changes: true}
			simulate(20, reads, changes)
			if reads.done != reads.sent || changes.done != changes.sent {
				t.Errorf("%d of %d reads passed, %d of %d changes", reads.done, reads.sent, changes.done, changes.sent)
			}
		})
	}
}

// TestWorkspaceCeilingRefusalCostsNothing: what the workspace refuses is not
// taken from the connection, and a Bulk request is let in whole by the floor
// alone, which then waits for it.
func TestWorkspaceCeilingRefusalCostsNothing(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	empty := &ceiling{rate: sharedRate}
	empty.bucket.Fill(now, sharedRate, sharedRate)
	empty.bucket.Level = -1000
	l := &limiter{rate: defaultRate, shared: empty}
	if _, ok := l.take(now, 40, 30); !ok {
		t.Fatal("70 operations are refused, and the floor was full")
	}
	level := func(b *admission.Bucket) float64 { return b.Level }
	reads, changes := level(&l.reads), level(&l.changes)
	if reads != 60 || changes != 70 || l.floor.Level != -20 {
		t.Errorf("left are %v reads, %v changes, %v of the floor", reads, changes, l.floor.Level)
	}
	wait, ok := l.take(now, 1, 0)
	if ok || wait != 21*time.Second/floorRate {
		t.Errorf("one more: %v after %s", ok, wait)
	}
	if level(&l.reads) != reads || level(&l.changes) != changes {
		t.Error("what was refused was taken")
	}
	if _, ok := l.take(now.Add(wait), 1, 0); !ok {
		t.Error("it was told to wait for too short a time")
	}
}
