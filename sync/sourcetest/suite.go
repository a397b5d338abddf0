package sourcetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Fixture is a directory under test: at least three people over two pages.
type Fixture struct {
	// New makes a source on the directory as it is now, with its smallest
	// page.
	New func(t *testing.T) sync.Source
	// People are the user names that a whole read finds.
	People []string
	// Revoke takes the account's right to see people away and Restore gives it
	// back. nil: the directory knows no rights.
	Revoke, Restore func(t *testing.T)
	// Empty makes a source that is told to read where nobody is.
	Empty func(t *testing.T) sync.Source
}

const patience = time.Minute

func ctxFor(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

var timeless = cmpopts.IgnoreFields(workspace.Identity{}, "ObservedAt")

// Run runs the suite.
func Run(t *testing.T, f Fixture) {
	t.Run("SO2 whole read", f.whole)
	t.Run("CU2 replay is harmless", f.replay)
	t.Run("SO2 resume after every page", f.resume)
	t.Run("SO4 cancel returns in a second", f.cancel)
	t.Run("SO2 error from Done", f.doneFails)
	t.Run("delta repeats", f.repeats)
	t.Run("CU3 foreign cursor", f.foreign)
	t.Run("AB1 unknown id", f.unknown)
	if f.Empty != nil {
		t.Run("RD4 empty", f.empty)
	}
	if f.Revoke != nil {
		t.Run("LP6 rights revoked", f.revoked)
	}
}

func names(c *Collector) []string {
	var out []string
	for _, id := range c.People() {
		out = append(out, id.UserName)
	}
	slices.Sort(out)
	return out
}

func (f Fixture) expect(t *testing.T, c *Collector) {
	t.Helper()
	want := slices.Sorted(slices.Values(f.People))
	if diff := cmp.Diff(want, names(c)); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
}

func (f Fixture) read(t *testing.T, s sync.Source) (*Collector, sync.Cursor) {
	t.Helper()
	c := &Collector{}
	cursor, err := s.Full(ctxFor(t), sync.Cursor{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return c, cursor
}

func (f Fixture) whole(t *testing.T) {
	s := f.New(t)
	c, cursor := f.read(t, s)
	f.expect(t, c)
	if n := len(c.Proofs()); n != 1 {
		t.Fatalf("Done was called %d times, want 1", n)
	}
	p := c.Proofs()[0]
	if p.People != len(f.People) || p.Server == "" || p.EndMark == "" || p.Since.IsZero() {
		t.Errorf("RD3: proof %+v, want %d people and every field", p, len(f.People))
	}
	if c.oversize {
		t.Error("SO4: a page is larger than its limits")
	}
	if cursor.Kind != s.Describe().Kind || cursor.V != s.Describe().CursorV || cursor.Scope == "" {
		t.Errorf("cursor %+v does not fit %+v", cursor, s.Describe())
	}
	seen := map[string]bool{}
	for id, who := range c.People() {
		if id == "" || seen[id] || who.ObservedAt == 0 || who.Attributes["active"] == nil {
			t.Errorf("SO5: identity %+v lacks id, observation time or active", who)
		}
		seen[id] = true
		got, err := s.Get(ctxFor(t), id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(who, got, timeless); diff != "" {
			t.Errorf("Get and Full differ (-full +get):\n%s", diff)
		}
		if got.ObservedAt < who.ObservedAt {
			t.Error("EV4: Get is observed before the read that came first")
		}
	}
}

func (f Fixture) replay(t *testing.T) {
	s := f.New(t)
	a, _ := f.read(t, s)
	b, _ := f.read(t, f.New(t))
	if diff := cmp.Diff(a.People(), b.People(), timeless); diff != "" {
		t.Errorf("two reads differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Groups(), b.Groups(), cmpopts.IgnoreFields(workspace.DirectoryGroup{}, "ObservedAt")); diff != "" {
		t.Errorf("two reads differ:\n%s", diff)
	}
}

// resume breaks the sink at every page and takes the run up again.
func (f Fixture) resume(t *testing.T) {
	whole, _ := f.read(t, f.New(t))
	broken := errors.New("the store is full")
	for at := 1; at <= whole.Pages(); at++ {
		c := &Collector{OnPage: func(n int, _ sync.Page) error {
			if n == at {
				return broken
			}
			return nil
		}}
		s := f.New(t)
		if _, err := s.Full(ctxFor(t), sync.Cursor{}, c); err != broken { //nolint:errorlint // unchanged is the contract
			t.Fatalf("page %d: Full returned %v, want the sink's error unchanged", at, err)
		}
		if len(c.Proofs()) != 0 {
			t.Fatalf("page %d: Done after a broken page", at)
		}
		if _, err := s.Full(ctxFor(t), c.Resume(), c); err != nil {
			t.Fatalf("page %d: resume: %v", at, err)
		}
		f.expect(t, c)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(whole.Groups())), slices.Sorted(maps.Keys(c.Groups()))); diff != "" {
			t.Errorf("page %d: groups after resume:\n%s", at, diff)
		}
		if len(c.Proofs()) != 1 || c.Proofs()[0].People != len(f.People) {
			t.Errorf("page %d: proofs after resume: %+v", at, c.Proofs())
		}
	}
}

func (f Fixture) cancel(t *testing.T) {
	ctx, cancel := context.WithCancel(ctxFor(t))
	defer cancel()
	var at time.Time
	c := &Collector{OnPage: func(int, sync.Page) error {
		at = time.Now()
		cancel()
		return nil
	}}
	s := f.New(t)
	_, err := s.Full(ctx, sync.Cursor{}, c)
	if took := time.Since(at); took > time.Second {
		t.Errorf("returned %s after the cancel", took)
	}
	if !errors.Is(err, context.Canceled) || len(c.Proofs()) != 0 {
		t.Errorf("LC2: error %v, proofs %v; want context.Canceled and none", err, c.Proofs())
	}
	// The source is as good as new.
	again, _ := f.read(t, s)
	f.expect(t, again)
}

func (f Fixture) doneFails(t *testing.T) {
	broken := errors.New("the store is full")
	c := &Collector{OnDone: func() error { return broken }}
	cursor, err := f.New(t).Full(ctxFor(t), sync.Cursor{}, c)
	if !errors.Is(err, broken) || !cursor.Zero() {
		t.Errorf("cursor %+v, error %v; want none and the sink's error", cursor, err)
	}
}

func (f Fixture) repeats(t *testing.T) {
	s := f.New(t)
	whole, cursor := f.read(t, s)
	for range 3 {
		c := &Collector{}
		next, err := s.Delta(ctxFor(t), cursor, c)
		if err != nil {
			if errors.Is(err, sync.ErrCursorGone) && s.Describe().Caps&sync.CapDelta == 0 {
				return
			}
			t.Fatal(err)
		}
		if len(c.Gone()) != 0 || len(c.Proofs()) != 0 {
			t.Errorf("a delta without changes states %v gone, proofs %v", c.Gone(), c.Proofs())
		}
		for id, who := range c.People() {
			if diff := cmp.Diff(whole.People()[id], who, timeless); diff != "" {
				t.Errorf("delta without changes differs:\n%s", diff)
			}
		}
		cursor = next
	}
}

func (f Fixture) foreign(t *testing.T) {
	s := f.New(t)
	_, cursor := f.read(t, s)
	for name, change := range map[string]func(*sync.Cursor){
		"zero":    func(c *sync.Cursor) { *c = sync.Cursor{} },
		"kind":    func(c *sync.Cursor) { c.Kind = "other" },
		"version": func(c *sync.Cursor) { c.V += 100 },
		"scope":   func(c *sync.Cursor) { c.Scope = "other" },
		"garbage": func(c *sync.Cursor) { c.Data = []byte("}{") },
	} {
		bad := cursor
		change(&bad)
		if _, err := s.Delta(ctxFor(t), bad, &Collector{}); !errors.Is(err, sync.ErrCursorGone) {
			t.Errorf("%s: %v, want ErrCursorGone", name, err)
		}
	}
}

func (f Fixture) unknown(t *testing.T) {
	_, err := f.New(t).Get(ctxFor(t), "00000000-0000-4000-8000-000000000001")
	var incomplete *sync.IncompleteError
	if !errors.Is(err, sync.ErrAbsent) && !errors.As(err, &incomplete) {
		t.Errorf("Get of an unknown id: %v, want ErrAbsent, or IncompleteError where nobody can tell", err)
	}
}

func (f Fixture) empty(t *testing.T) {
	c := &Collector{}
	_, err := f.Empty(t).Full(ctxFor(t), sync.Cursor{}, c)
	if err == nil || len(c.Proofs()) != 0 {
		t.Errorf("an empty read: error %v, proofs %v; want an error and none", err, c.Proofs())
	}
}

func (f Fixture) revoked(t *testing.T) {
	s := f.New(t)
	whole, cursor := f.read(t, s)
	f.Revoke(t)
	t.Cleanup(func() { f.Restore(t) })
	c := &Collector{}
	if _, err := s.Full(ctxFor(t), sync.Cursor{}, c); err == nil || len(c.Proofs()) != 0 {
		t.Errorf("Full without rights: error %v, proofs %v", err, c.Proofs())
	}
	c = &Collector{}
	// What a delta says is up to the source; it must not say that anybody is
	// deleted.
	_, err := s.Delta(ctxFor(t), cursor, c)
	for id, g := range c.Gone() {
		if g.Why == "deleted" {
			t.Errorf("Delta without rights (%v): %s is deleted", err, id)
		}
	}
	if sweeper, ok := s.(sync.Sweeper); ok {
		c = &Collector{}
		if err := sweeper.Sweep(ctxFor(t), c); err == nil || len(c.Proofs()) != 0 {
			t.Errorf("Sweep without rights: error %v, proofs %v", err, c.Proofs())
		}
	}
	for id := range whole.People() {
		_, err := s.Get(ctxFor(t), id)
		if errors.Is(err, sync.ErrAbsent) || errors.Is(err, sync.ErrDeleted) || err == nil {
			t.Errorf("AB2: Get without rights: %v", err)
		}
		break
	}
	f.Restore(t)
	again, _ := f.read(t, s)
	f.expect(t, again)
}
