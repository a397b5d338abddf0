package sync

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// lagging is a directory in which something happens behind the pages that a
// read has had, before they are applied.
type lagging struct {
	*directory
	gone   []string // told as deleted by a delta
	behind func()
}

func (l *lagging) Describe() Info {
	i := l.directory.Describe()
	i.Caps |= CapDelta
	return i
}

func (l *lagging) Full(ctx context.Context, from Cursor, sink Sink) (Cursor, error) {
	c, err := l.directory.Full(ctx, from, sink)
	l.behind()
	return c, err
}

func (l *lagging) Delta(ctx context.Context, from Cursor, sink Sink) (Cursor, error) {
	var page Page
	for _, id := range l.gone {
		page.Gone = append(page.Gone, Gone{ID: id, Why: "deleted"})
	}
	err := sink.Page(ctx, page, from)
	l.behind()
	return Cursor{Kind: "test", V: 1, Scope: "s", Data: []byte("1"), At: l.now()}, err
}

// asked lets the directory be asked about one person, a second later.
func (w *world) asked(source Source, id string) {
	w.tb.Helper()
	w.clock = w.clock.Add(time.Second)
	if err := w.e.Ask(context.Background(), Polled{Workspace: "acme", Connection: "entra", Source: source}, id, "signal"); err != nil {
		w.tb.Fatal(err)
	}
	w.clock = w.clock.Add(time.Second)
}

// TestOlderNeverOverwritesNewer is EV4 for what is read, and overtaken before
// it is applied: an answer about one person, a signal, or a deletion.
func TestOlderNeverOverwritesNewer(t *testing.T) {
	p007 := "id-p007"
	poll := func(w *world, l *lagging, full bool) {
		w.tb.Helper()
		w.clock = w.clock.Add(time.Minute)
		l.mark++
		if _, err := w.e.Poll(context.Background(), Polled{Workspace: "acme", Connection: "entra", Source: l}, "test", SyncOptions{Full: full, Trigger: "operator"}); err != nil {
			w.tb.Fatal(err)
		}
	}
	for name, row := range map[string]struct {
		full bool
		gone []string
		// behind happens between the read and its application.
		behind func(w *world, d *directory)
		want   string
	}{
		"a deletion was read, then the person is there again": {
			gone: []string{p007}, behind: func(w *world, d *directory) { w.asked(d, p007) }, want: "member active",
		},
		"an enabled record was read, then the person is deleted": {
			full: true, behind: func(w *world, _ *directory) { w.asked(&oneSource{err: ErrDeleted}, p007) }, want: "member deactivated",
		},
		"an enabled record was read, then the person is disabled": {
			full: true, behind: func(w *world, d *directory) { d.disable("p007"); w.asked(d, p007) }, want: "member deactivated",
		},
		"an enabled record was read, then a signal says disabled": {
			full: true, behind: func(w *world, _ *directory) {
				w.clock = w.clock.Add(time.Second)
				w.signal("entra", "s", Signal{Kind: SignalDisabled, Subject: p007, At: w.clock})
			}, want: "member deactivated",
		},
		"a deletion was read, and nothing since": {gone: []string{p007}, behind: func(*world, *directory) {}, want: "member deactivated"},
	} {
		t.Run(name, func(t *testing.T) {
			engines(t, func(t *testing.T, w *world) {
				d := newDirectory(w, 20)
				w.mustPoll(d)
				l := &lagging{directory: d, behind: func() {}}
				w.clock = w.clock.Add(time.Minute)
				d.set("p007", "department", "Sales") // so that the record is staged
				l.gone, l.behind = row.gone, func() { row.behind(w, d) }
				poll(w, l, row.full)
				w.want("p007@acme.com", row.want)
				w.audited()
			})
		})
	}
}

// TestAnswerOlderThanDeletion is RB6 for an answer about one person that was
// asked for before the record was deleted: it brings nobody back.
func TestAnswerOlderThanDeletion(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		d := newDirectory(w, 20)
		w.mustPoll(d)
		p007 := d.people["id-p007"]
		slow := &slowSource{found: p007, meanwhile: func() {
			w.clock = w.clock.Add(time.Second)
			w.asked(&oneSource{err: ErrDeleted}, "id-p007")
		}}
		w.asked(slow, "id-p007")
		w.want("p007@acme.com", "member deactivated")
		w.asked(&oneSource{found: p007}, "id-p007") // asked later: a newer yes
		w.want("p007@acme.com", "member active")
		w.audited()
	})
}

// slowSource answers after something else has happened.
type slowSource struct {
	Source
	found     workspace.Identity
	meanwhile func()
}

func (s *slowSource) Get(context.Context, string) (workspace.Identity, error) {
	s.meanwhile()
	return s.found, nil
}

// TestSignalOfTheFuture: a transmitter whose clock is ahead says disabled; what
// the directory answers right after is newer all the same, by our clock.
func TestSignalOfTheFuture(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		d := newDirectory(w, 20)
		w.mustPoll(d)
		w.clock = w.clock.Add(time.Minute)
		w.signal("entra", "ahead", Signal{Kind: SignalDisabled, Subject: "id-p007", At: w.clock.Add(50 * time.Second)})
		w.want("p007@acme.com", "member deactivated")
		w.asked(d, "id-p007")
		w.want("p007@acme.com", "member active")
		w.audited()
	})
}
