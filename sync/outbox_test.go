package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/workspace"
)

// outboxEvent is one outbox event as a receiver reads it.
type outboxEvent struct {
	Type string
	Data EventData
}

// outbox lists the events of some types, oldest first.
func (w *world) outbox(types ...string) []outboxEvent {
	w.tb.Helper()
	var out []outboxEvent
	for _, r := range w.auditor().rows(`SELECT type, body FROM event e ORDER BY e.at, e.event_id`) {
		if !slices.Contains(types, r[0]) {
			continue
		}
		var e outboxEvent
		if err := json.Unmarshal([]byte(r[1]), &e); err != nil {
			w.tb.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// TestLeaverEventTellsWhatIsLost: the event of a cut names every number with
// who answers it now, and the groups (leavers-and-events section 11); each
// number is told whom it went to.
func TestLeaverEventTellsWhatIsLost(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.numbers("+4722000001", "+4722000002", "+4722000003", "+4722000004")
		w.push(&user{name: "cy"})
		bob := &user{name: "bob", attrs: map[string]string{"office": "Oslo", "department": "Sales", "manager": "cy@acme.com"}}
		w.push(bob)
		w.mustEdit("ann@acme.com",
			Edit{Kind: EditAssign, Member: "bob@acme.com", Number: "+4722000002", Access: workspace.AccessShared},
			Edit{Kind: EditAssign, Member: "cy@acme.com", Number: "+4722000002", Access: workspace.AccessShared},
			Edit{Kind: EditOwn, Member: "cy@acme.com", Number: "+4722000002"},
			Edit{Kind: EditAssign, Member: "bob@acme.com", Number: "+4722000003", Access: workspace.AccessViewOnly},
			Edit{Kind: EditOwn, Member: "bob@acme.com", Number: "+4722000004"})
		bob.off = true
		w.push(bob)
		all := w.outbox("member.deactivated")
		if len(all) != 1 {
			t.Fatalf("%d cuts were told", len(all))
		}
		cy, until := w.member("cy@acme.com"), workspace.At(w.clock.Add(7*24*time.Hour))
		d := all[0].Data
		slices.SortFunc(d.Numbers, func(a, b LostNumber) int { return strings.Compare(a.Number, b.Number) })
		want := []LostNumber{
			{Number: "+4722000001", Was: "exclusive", Now: "reserved", Answers: &Answerer{Member: cy}, Until: &until},
			{Number: "+4722000002", Was: "shared", Now: "left"},
			{Number: "+4722000003", Was: "view_only", Now: "left"},
			{Number: "+4722000004", Was: "owner", Now: "handed_over", Answers: &Answerer{Member: cy}},
		}
		if diff := cmp.Diff(want, d.Numbers); diff != "" {
			t.Errorf("numbers (-want +got):\n%s", diff)
		}
		if d.Contacts == nil || *d.Contacts != (LostContacts{Numbers: 3, Private: "escrow"}) {
			t.Errorf("contacts: %+v", d.Contacts)
		}
		if len(d.GroupsLeft) != 1 || d.Sessions != "end_all" || d.More || d.State != "deactivated" {
			t.Errorf("%+v", d)
		}
		handed := w.outbox("number.handed_over")
		if len(handed) != 2 {
			t.Fatalf("%d numbers were handed over: %+v", len(handed), handed)
		}
		for _, h := range handed {
			if h.Data.From != d.Member || h.Data.Answers == nil || h.Data.Answers.Member != cy || h.Data.Strategy != "manager" || h.Data.Member != "" {
				t.Errorf("%+v", h.Data)
			}
			if (h.Data.Until != nil) != (h.Data.Number == "+4722000001") {
				t.Errorf("%s is reserved until %v", h.Data.Number, h.Data.Until)
			}
		}
		w.audited()
	})
}

// TestAssignmentTellsItsPlace: who is told of access is told the place in the
// ring order that it has after the commit (R13); view-only has none.
func TestAssignmentTellsItsPlace(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	for _, name := range []string{"bea", "cy", "eve"} {
		w.push(&user{name: name})
	}
	assign := func(name string, access workspace.Access) {
		w.mustEdit("ann@acme.com", Edit{Kind: EditAssign, Member: name + "@acme.com", Number: "+4722000001", Access: access})
	}
	assign("bea", workspace.AccessShared)
	assign("cy", workspace.AccessViewOnly)
	assign("eve", workspace.AccessShared)
	assign("cy", workspace.AccessShared)
	who := map[string]string{}
	for _, name := range []string{"bea", "cy", "eve"} {
		who[w.member(name+"@acme.com")] = name
	}
	var got []string
	for _, e := range w.outbox("number.assigned", "number.access_changed") {
		got = append(got, fmt.Sprintf("%s %s %d", who[e.Data.Member], e.Data.Access, e.Data.Ring))
	}
	slices.Sort(got)
	want := []string{"bea shared 1", "cy shared 3", "cy view_only 0", "eve shared 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

// TestLeaverEventAlwaysFits: whatever somebody had, the event stays below the
// 64 KiB of a webhook (WH1), or it could never be delivered (OB6).
func TestLeaverEventAlwaysFits(t *testing.T) {
	const leaver = "01990000-0000-7000-8000-000000000001"
	u := &unit{s: &space{cfg: Workspace{ID: "acme"}}, view: &workspace.View{}}
	var all []recorded
	add := func(c workspace.Change) {
		c.Cause = workspace.Cause{Tail: true, Leaver: leaver, Source: "primary_owner"}
		all = append(all, recorded{index: len(u.plan), report: ChangeReport{Outcome: "applied"}})
		u.plan = append(u.plan, planned{Change: c})
	}
	for i := range 1000 {
		id := newID()
		ref := workspace.Ref{Type: "number", ID: id, Label: fmt.Sprintf("+4722%09d", i)}
		add(workspace.Change{Kind: workspace.NumberUnassign, Subject: ref, Member: leaver, Before: workspace.Assignment{Kind: workspace.ToMember, To: leaver, Access: workspace.AccessExclusive}})
		add(workspace.Change{Kind: workspace.NumberReserve, Subject: ref, After: workspace.Reservation{Until: 1795248000000000}})
		add(workspace.Change{Kind: workspace.NumberAssign, Subject: ref, After: workspace.Assignment{Kind: workspace.ToMember, To: newID(), Access: workspace.AccessShared}})
		add(workspace.Change{Kind: workspace.GroupLeave, Subject: workspace.Ref{Type: "group", ID: id}, Before: workspace.GroupMembership{Group: id, Member: leaver}})
	}
	var d EventData
	u.tellLosses(leaver, all, &d)
	body, err := json.Marshal(Event{Type: "member.deactivated", Data: d})
	if err != nil || len(body) > 60<<10 || !d.More || len(d.Numbers) != maxLostNumbers || d.Numbers[0].Now != "reserved" {
		t.Errorf("%d bytes, more %v, %v", len(body), d.More, err)
	}
}

// TestHeldTailIsNotToldAsLost: while a person has to agree, the event of the
// cut names no number, for none is lost yet (BU1).
func TestHeldTailIsNotToldAsLost(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001", "+4722000002", "+4722000003", "+4722000004", "+4722000005")
	for i := range 5 {
		x := &user{name: fmt.Sprintf("p%d", i), attrs: map[string]string{"office": "Oslo"}}
		w.push(x)
		x.off = true
		w.push(x)
	}
	all := w.outbox("member.deactivated")
	if len(all) != 5 || len(all[0].Data.Numbers) != 1 || len(all[4].Data.Numbers) != 0 {
		t.Errorf("%+v", all)
	}
	if held := w.outbox("change.held"); len(held) != 2 || held[1].Data.Member != w.member("p4@acme.com") || held[1].Data.Hold == "" || held[1].Data.PlanHash == "" {
		t.Errorf("held plans: %+v", held)
	}
	w.audited()
}

// TestPlansAreTold: a plan that waits is told once, and so is every way in
// which it ends.
func TestPlansAreTold(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob := &user{name: "bob"}
		w.push(bob)
		admins := &group{name: "phone-admins"}
		raise := func() string {
			t.Helper()
			w.put(admins, []*user{bob}, nil)
			holds := w.holds()
			if len(holds) != 1 {
				t.Fatalf("%d holds", len(holds))
			}
			return holds[0].ID
		}
		told := 0
		decided := func(how, by string) {
			t.Helper()
			all := w.outbox("change.held", "change.decided")
			if len(all) != told+2 || all[told].Type != "change.held" || all[told+1].Data.Decision != how || all[told+1].Data.By != by || all[told+1].Data.Hold != all[told].Data.Hold {
				t.Errorf("%s: %+v", how, all[min(told, len(all)):])
			}
			told = len(all)
		}
		raise()
		w.push(bob) // the same wish opens and tells nothing
		w.put(admins, nil, []*user{bob})
		decided("withdrawn", "system")
		if err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: raise(), As: "dan@acme.com", Kind: workspace.ActorOperator, Reason: "no"}); err != nil {
			t.Fatal(err)
		}
		decided("rejected", w.member("dan@acme.com"))
		w.put(admins, nil, []*user{bob})
		w.clock = w.clock.Add(31 * 24 * time.Hour)
		id := raise()
		if _, err := w.approve(id, "dan@acme.com"); err != nil {
			t.Fatal(err)
		}
		decided("approved", w.member("dan@acme.com"))
		w.audited()
	})
}

// TestExpiredInvitationIsToldAsSuch: it was nobody's decision.
func TestExpiredInvitationIsToldAsSuch(t *testing.T) {
	w := lite(t)
	w.mustEdit("ann@acme.com", Edit{Kind: EditInvite, Email: "eve@acme.com"}, Edit{Kind: EditInvite, Email: "fay@acme.com"})
	w.mustEdit("ann@acme.com", Edit{Kind: EditRevoke, Email: "fay@acme.com"})
	w.clock = w.clock.Add(15 * 24 * time.Hour)
	w.due()
	var types []string
	for _, e := range w.outbox("invitation.sent", "invitation.expired", "invitation.revoked") {
		types = append(types, e.Type)
	}
	if want := []string{"invitation.sent", "invitation.sent", "invitation.revoked", "invitation.expired"}; !slices.Equal(types, want) {
		t.Errorf("told %v, want %v", types, want)
	}
}

// TestEndOfAPollIsTold: with its counts, whether it was whole or not; so is
// the end of a plan that the directory no longer wants.
func TestEndOfAPollIsTold(t *testing.T) {
	w := lite(t)
	d := newDirectory(w, 60)
	w.mustPoll(d)
	for i := range 8 {
		d.leave(fmt.Sprintf("p%03d", 20+i))
	}
	w.mustPoll(d)
	all := w.outbox("run.finished")
	last := all[len(all)-1].Data
	if len(all) != 2 || last.Run == nil || !last.Run.Complete || last.Run.Counts.Held == 0 || last.Cause.Run != last.Run.ID {
		t.Fatalf("%+v", all)
	}
	if held := w.outbox("change.held"); len(held) != 1 || held[0].Data.Cause.Connection != "entra" {
		t.Errorf("%+v", held)
	}
	for i := range 8 {
		d.join(fmt.Sprintf("p%03d", 20+i))
	}
	w.clock = w.clock.Add(time.Hour)
	w.mustPoll(d)
	if decided := w.outbox("change.decided"); len(decided) != 1 || decided[0].Data.Decision != "withdrawn" {
		t.Errorf("%+v", decided)
	}
	w.audited()
}
