package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// directory is a directory in memory that a test can make lie.
type directory struct {
	people map[string]workspace.Identity // by immutable id
	groups map[string][]string           // name -> immutable ids
	mark   int
	// faults
	blind  func(id string) bool // people the account cannot see
	noMail bool                 // the mail attribute cannot be read
	cut    error                // returned after the first page
	empty  bool                 // success with nothing in it
	noEnd  bool                 // no end mark
	ghost  bool                 // Get answers trouble
	hidden string               // an id that reads leave out, and Get finds
	twice  string               // an id that whole reads name two times
	ended  map[string]time.Time // T0, by id
	reads  int
	now    func() time.Time
}

func newDirectory(w *world, n int) *directory {
	d := &directory{people: map[string]workspace.Identity{}, groups: map[string][]string{}, now: w.now}
	for i := range n {
		d.join(fmt.Sprintf("p%03d", i))
	}
	return d
}

func (d *directory) join(name string) {
	d.mark++
	d.people["id-"+name] = workspace.Identity{
		ExternalID: "id-" + name, UserName: name, Email: name + "@acme.com", Name: strings.ToUpper(name), DN: "uid=" + name + ",dc=acme", Active: true,
		Attributes: workspace.Attributes{"userName": {name}, "email": {name + "@acme.com"}, "displayName": {strings.ToUpper(name)}, "active": {"true"}, "department": nil},
	}
}

func (d *directory) set(name, attr string, values ...string) {
	d.mark++
	x := d.people["id-"+name]
	x.Attributes = maps.Clone(x.Attributes)
	x.Attributes[attr] = values
	d.people["id-"+name] = x
}

func (d *directory) disable(name string) {
	d.mark++
	x := d.people["id-"+name]
	x.Active, x.Reason = false, "disabled"
	x.Attributes = maps.Clone(x.Attributes)
	x.Attributes["active"] = []string{"false"}
	d.people["id-"+name] = x
}

func (d *directory) leave(names ...string) {
	for _, n := range names {
		d.mark++
		delete(d.people, "id-"+n)
	}
}

func (d *directory) Describe() Info {
	return Info{Kind: "test", Caps: CapGroups | CapTargeted, CursorV: 1}
}

func (d *directory) Check(context.Context) (Probe, error) { return Probe{}, nil }

func (d *directory) TellTale(context.Context) (string, error) { return fmt.Sprint(d.mark), nil }

func (d *directory) visible(id string) bool {
	_, ok := d.people[id]
	return ok && !d.empty && (d.blind == nil || !d.blind(id))
}

func (d *directory) Full(ctx context.Context, _ Cursor, sink Sink) (Cursor, error) {
	d.reads++
	at := workspace.At(d.now())
	n := 0
	for piece := range slices.Chunk(slices.Sorted(maps.Keys(d.people)), 10) {
		var page Page
		for _, id := range piece {
			if !d.visible(id) || id == d.hidden {
				continue
			}
			x := d.people[id]
			x.Attributes = maps.Clone(x.Attributes)
			x.ObservedAt = at
			if d.noMail {
				x.Email, x.Attributes["email"] = "", nil
			}
			page.Identities, page.Ended = append(page.Identities, x), d.ended
			if id == d.twice {
				page.Identities = append(page.Identities, x)
			}
			n++
		}
		if err := sink.Page(ctx, page, Cursor{}); err != nil {
			return Cursor{}, err
		}
		if d.cut != nil {
			return Cursor{}, d.cut
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.groups)) {
		page := Page{Groups: []workspace.DirectoryGroup{{ExternalID: name, Name: name, DN: "cn=" + name}}}
		m := Members{Group: name, Complete: true}
		for _, id := range d.groups[name] {
			if x, ok := d.people[id]; ok {
				m.Add = append(m.Add, MemberRef{DN: x.DN})
			}
		}
		page.Members = []Members{m}
		if err := sink.Page(ctx, page, Cursor{}); err != nil {
			return Cursor{}, err
		}
	}
	if !d.noEnd {
		if err := sink.Done(ctx, Proof{Server: "one", EndMark: "done", People: n, Since: d.now()}); err != nil {
			return Cursor{}, err
		}
	}
	return Cursor{Kind: "test", V: 1, Scope: "s", Data: []byte(fmt.Sprint(d.mark)), At: d.now()}, nil
}

func (d *directory) Delta(context.Context, Cursor, Sink) (Cursor, error) {
	return Cursor{}, ErrCursorGone
}

func (d *directory) Get(_ context.Context, id string) (workspace.Identity, error) {
	if d.ghost {
		return workspace.Identity{}, errors.New("connection reset")
	}
	if !d.visible(id) {
		return workspace.Identity{}, ErrAbsent
	}
	return d.people[id], nil
}

func (w *world) poll(d *directory, opt SyncOptions) (PollResult, error) {
	return w.e.Poll(context.Background(), Polled{Workspace: "acme", Connection: "entra", Source: d}, "test", opt)
}

func (w *world) mustPoll(d *directory) SyncRun {
	w.tb.Helper()
	w.clock = w.clock.Add(time.Minute)
	res, err := w.poll(d, SyncOptions{})
	if err != nil {
		w.tb.Fatalf("poll: %v", err)
	}
	return res.Run
}

func (w *world) count(state workspace.MemberState) int {
	w.tb.Helper()
	return strings.Count(w.dumpStates(), " "+string(state)+"\n")
}

func TestPollBringsInLine(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		d := newDirectory(w, 25)
		d.groups["sales"] = []string{"id-p001", "id-p002"}
		run := w.mustPoll(d)
		if run.Joiners != 25 || run.State != "done" || !run.Complete {
			t.Fatalf("first run: %+v", run.Counts)
		}
		w.want("p001@acme.com", "member active Sales")
		if res, err := w.poll(d, SyncOptions{}); err != nil || !res.Unchanged {
			t.Errorf("nothing moved, but %+v %v", res.Run.Counts, err)
		}
		d.set("p003", "department", "Sales")
		d.groups["sales"] = []string{"id-p002"}
		d.disable("p004")
		d.join("zoe")
		run = w.mustPoll(d)
		w.want("p001@acme.com", "member active")
		w.want("p002@acme.com", "member active Sales")
		w.want("p003@acme.com", "member active Sales")
		w.want("p004@acme.com", "member deactivated")
		w.want("zoe@acme.com", "member active")
		if run.LeaversN != 1 || len(run.Leavers) != 1 || run.Leavers[0].Why != "disabled" {
			t.Errorf("leavers: %+v", run.Leavers)
		}
		d.leave("p005")
		run = w.mustPoll(d)
		w.want("p005@acme.com", "member deactivated")
		if run.MissingConfirmed != 1 {
			t.Errorf("missing %d confirmed %d", run.Missing, run.MissingConfirmed)
		}
		d.join("p005")
		w.mustPoll(d)
		w.want("p005@acme.com", "member active")
		w.sound()
	})
}

// TestRefusedPersonStopsNobody: the directory lists an Owner, whom no
// connection takes over (I6); everybody else of the same page comes in.
func TestRefusedPersonStopsNobody(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		d := newDirectory(w, 25)
		d.join("ann")
		d.leave("p003")
		run := w.mustPoll(d)
		if run.Joiners != 24 || run.Counts.Held != 1 || run.ExitCode != 3 {
			t.Errorf("joiners %d, held %d, exit %d: want 24, 1, 3", run.Joiners, run.Counts.Held, run.ExitCode)
		}
		w.want("p024@acme.com", "member active")
		d.mark++
		if run = w.mustPoll(d); run.Counts.Held+run.Counts.Applied+run.Counts.Failed != 0 {
			t.Errorf("again: %+v", run.Counts)
		}
		w.sound()
	})
}

func TestPollDryRun(t *testing.T) {
	w := lite(t)
	w.groups("Sales")
	d := newDirectory(w, 5)
	d.groups["sales"] = []string{"id-p001"}
	before := w.dump()
	res, err := w.poll(d, SyncOptions{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if res.Run.Joiners != 5 || len(res.Run.Changes) != 6 {
		t.Errorf("joiners %d, changes %d: want 5 and 6", res.Run.Joiners, len(res.Run.Changes))
	}
	if after := w.dump(); after != before {
		t.Errorf("the dry run changed the store:\n%s", after)
	}
}

// TestLiesRemoveNobody: whatever a directory does short of saying no, nobody
// loses access, and the next good read heals.
func TestLiesRemoveNobody(t *testing.T) {
	lies := map[string]func(d *directory){
		"RD4 empty success":               func(d *directory) { d.empty = true },
		"LC11 cut after a page":           func(d *directory) { d.cut = errors.New("connection reset by peer") },
		"RD2 size limit":                  func(d *directory) { d.cut = &IncompleteError{Why: "size limit exceeded"} },
		"SO2 no end mark":                 func(d *directory) { d.noEnd = true },
		"LP6 read right lost on all":      func(d *directory) { d.blind = func(string) bool { return true } },
		"LP6 read right lost on a branch": func(d *directory) { d.blind = func(id string) bool { return id > "id-p010" } },
		"RD7 attribute unreadable":        func(d *directory) { d.noMail = true },
		"ErrAuth":                         func(d *directory) { d.cut = ErrAuth },
		"confirming read in trouble":      func(d *directory) { d.blind = func(id string) bool { return id == "id-p000" }; d.ghost = true },
	}
	for _, name := range slices.Sorted(maps.Keys(lies)) {
		t.Run(name, func(t *testing.T) {
			w := lite(t)
			d := newDirectory(w, 25)
			w.mustPoll(d)
			before := w.dumpStates()
			honest := *d
			for range 1 {
				lies[name](d)
				d.mark++
				w.clock = w.clock.Add(20 * time.Minute)
				_, err := w.poll(d, SyncOptions{})
				if d.cut != nil && err == nil {
					var cut *IncompleteError
					if !errors.As(d.cut, &cut) {
						t.Error("a cut read was taken for a good one")
					}
				}
			}
			if after := w.dumpStates(); after != before {
				t.Errorf("members before:\n%s\nafter:\n%s", before, after)
			}
			*d = honest
			d.mark += 10
			d.join("zoe")
			w.clock = w.clock.Add(20 * time.Minute)
			run := w.mustPoll(d)
			if run.State != "done" || !run.Complete {
				t.Errorf("the next good run: %s %v", run.State, run.IncompleteWhy)
			}
			w.want("zoe@acme.com", "member active")
			w.want("p000@acme.com", "member active")
			w.sound()
		})
	}
}

func (w *world) dumpStates() string {
	w.tb.Helper()
	var lines []string
	for _, l := range strings.Split(w.dump(), "\n") {
		f := strings.Fields(l)
		if len(f) >= 3 {
			lines = append(lines, strings.Join(f[:3], " "))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestMassRemovalIsHeldWhole: 11 % gone are held as one plan while joiners
// come in; the approval applies exactly that, or is stale.
func TestMassRemovalIsHeldWhole(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		d := newDirectory(w, 100)
		w.mustPoll(d)
		for i := range 11 {
			d.leave(fmt.Sprintf("p%03d", 20+i))
		}
		d.join("zoe")
		d.join("yan")
		d.join("xia")
		run := w.mustPoll(d)
		if run.Joiners != 3 || run.LeaversN != 0 || run.ExitCode != 3 || !run.Brake.Tripped {
			t.Fatalf("joiners %d leavers %d exit %d brake %+v", run.Joiners, run.LeaversN, run.ExitCode, run.Brake)
		}
		if n := w.count(workspace.StateDeactivated); n != 0 {
			t.Fatalf("%d people were removed", n)
		}
		holds := w.holds()
		if len(holds) != 1 || !strings.Contains(holds[0].Reason, "11 people are missing") {
			t.Fatalf("holds: %+v", holds)
		}
		d.mark++
		w.mustPoll(d)
		if again := w.holds(); len(again) != 1 || again[0].PlanHash != holds[0].PlanHash {
			t.Fatalf("the next poll made another plan: %+v", again)
		}
		// A change in between makes the approval stale.
		w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: "p020@acme.com"})
		var stale *StaleError
		if _, err := w.approve(holds[0].PlanHash, "dan@acme.com"); !errors.As(err, &stale) {
			t.Fatalf("approval after a change: %v", err)
		}
		d.mark++
		w.mustPoll(d)
		now := w.holds()
		if len(now) != 1 || now[0].PlanHash == holds[0].PlanHash {
			t.Fatalf("after the change: %+v", now)
		}
		if _, err := w.approve(now[0].PlanHash, "dan@acme.com"); err != nil {
			t.Fatalf("approve: %v", err)
		}
		if n := w.count(workspace.StateDeactivated); n != 11 {
			t.Errorf("%d people were removed, want 11", n)
		}
		w.sound()
	})
}

// TestSlowBleed: rights revoked step by step; the sliding limit stops it.
func TestSlowBleed(t *testing.T) {
	w := lite(t)
	d := newDirectory(w, 60)
	w.mustPoll(d)
	for step := 1; step <= 20; step++ {
		d.blind = func(id string) bool { return id < fmt.Sprintf("id-p%03d", step) }
		d.mark++
		w.clock = w.clock.Add(30 * time.Minute)
		w.mustPoll(d)
	}
	if n := w.count(workspace.StateDeactivated); n > 3 {
		t.Errorf("%d people bled away, the limit of 24 hours is 3", n)
	}
	w.sound()
}

func TestFirstRunRemovesNobody(t *testing.T) {
	w := lite(t)
	d := newDirectory(w, 5)
	for i := range 5 {
		w.push(&user{name: fmt.Sprintf("p%03d", i), ext: fmt.Sprintf("id-p%03d", i), conn: "entra"})
	}
	w.push(&user{name: "p900", conn: "entra"})
	w.mustPoll(d)
	w.want("p900@acme.com", "member active")
	if h := w.holds(); len(h) != 1 || !strings.Contains(h[0].Reason, "first whole read") {
		t.Errorf("holds: %+v", h)
	}
}

// TestLargeGroupComesInPieces: no transaction may outlast the lease (LE2), so
// a group that is larger than a unit takes several, and ends up whole.
func TestLargeGroupComesInPieces(t *testing.T) {
	w := lite(t)
	w.groups("Sales")
	const n = 300 // two units for the people, at 250; one makes the group, three fill it, at 100; one ends the run
	d := newDirectory(w, n)
	for i := range n {
		d.groups["sales"] = append(d.groups["sales"], fmt.Sprintf("id-p%03d", i))
	}
	run := w.mustPoll(d)
	if units := *run.Audit.LastLeaf - *run.Audit.FirstLeaf + 1; units < 7 {
		t.Errorf("%d units of work for %d people and a group of as many: it was not applied in pieces", units, n)
	}
	w.want("p000@acme.com", "member active Sales")
	w.want(fmt.Sprintf("p%03d@acme.com", n-1), "member active Sales")
	d.groups["sales"] = d.groups["sales"][1:]
	d.mark++
	if run := w.mustPoll(d); run.Counts.Applied != 1 {
		t.Errorf("%d changes for one who left the group", run.Counts.Applied)
	}
	w.want("p000@acme.com", "member active")
	w.sound()
}
