package sync

import (
	"strings"
	"testing"
)

// Text in the mail attribute that is no address makes no member, and takes a
// member's address away no more than a missing one does; another value of the
// attribute that is one counts.
func TestTextThatIsNoAddress(t *testing.T) {
	t.Parallel()
	w := lite(t)
	d := newDirectory(w, 12)
	d.set("p001", "email", "not an address", "bo@acme.com")
	d.set("p002", "email", "not an address")
	run := w.mustPoll(d)
	w.want("bo@acme.com", "member active")
	w.want("p000@acme.com", "member active")
	w.want("not an address", "nobody")
	if !strings.Contains(strings.Join(run.Notices, "\n"), "p002: no e-mail address") {
		t.Errorf("nobody is told: %q", run.Notices)
	}
	d.set("p000", "email", "p000 at acme.com")
	w.mustPoll(d)
	w.want("p000@acme.com", "member active")
}

// Two records of one connection with one address: the second waits, and the
// reason names the first, whatever is known of the domain (LM9).
func TestTwoRecordsWithOneAddress(t *testing.T) {
	t.Parallel()
	w := lite(t)
	d := newDirectory(w, 12)
	w.mustPoll(d)
	d.join("twin")
	d.set("twin", "email", "p003@acme.com")
	w.mustPoll(d)
	held := w.holds()
	if len(held) != 1 || !strings.Contains(held[0].Reason, "another record of this connection, p003") ||
		!strings.Contains(string(held[0].Changes), "give twin an address of its own") {
		t.Errorf("LM9: %+v", held)
	}
}

// CU1: a record that a read names twice is one person, in the counts too.
func TestNamedTwice(t *testing.T) {
	t.Parallel()
	w := lite(t)
	d := newDirectory(w, 12)
	d.twice = "id-p004"
	if run := w.mustPoll(d); run.New != 12 || run.Seen != 12 || run.Matched != 0 {
		t.Errorf("12 people, one named twice: new %d, seen %d, matched %d", run.New, run.Seen, run.Matched)
	}
}

// A first read that finds nobody goes well and says so: nobody is known who
// could be missing (RD4), and a base that is mistyped looks the same.
func TestNobodyIsFound(t *testing.T) {
	t.Parallel()
	w := lite(t)
	d := newDirectory(w, 0)
	if run := w.mustPoll(d); run.State != "done" || !strings.Contains(strings.Join(run.Notices, "\n"), "nobody was found: ") {
		t.Errorf("%s, %q", run.State, run.Notices)
	}
	d.join("zoe")
	if run := w.mustPoll(d); strings.Contains(strings.Join(run.Notices, "\n"), "nobody was found") {
		t.Errorf("one person: %q", run.Notices)
	}
}
