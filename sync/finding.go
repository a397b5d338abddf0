package sync

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// OverdueAfter is how long a receiver may take to acknowledge that access has
// ended, before it is an alarm (T3 in leavers-and-events section 1, F19).
const OverdueAfter = 5 * time.Minute

// planFindings opens F19 for every leaver whom a receiver has not heard of in
// time, and closes it when all of them have, or a person has settled it.
func (u *unit) planFindings() error {
	late, err := u.tx.UntoldLeavers(u.now-workspace.Micros(OverdueAfter.Microseconds()), timerBatch)
	if err != nil {
		return err
	}
	subjects := map[string][]store.DeliveryRow{}
	for i := range late {
		subjects[late[i].Subject] = append(subjects[late[i].Subject], late[i])
	}
	for _, id := range sortedKeys(subjects) {
		if err := u.openUntold(subjects[id]); err != nil {
			return err
		}
	}
	told, err := u.tx.ToldFindings(timerBatch)
	if err != nil {
		return err
	}
	for i := range told {
		f := told[i]
		f.ClosedAt, f.ClosedRun = u.now, u.run
		if err := u.tx.CloseFinding(f.ID, u.run, u.now); err != nil {
			return err
		}
		u.findings = append(u.findings, f)
	}
	return nil
}

// openUntold opens F19 about one leaver; waits are their events that wait.
func (u *unit) openUntold(waits []store.DeliveryRow) error {
	var sinks []string
	for i := range waits {
		if !slices.Contains(sinks, waits[i].Sink) {
			sinks = append(sinks, waits[i].Sink)
		}
	}
	slices.Sort(sinks)
	first := &waits[0]
	f := store.FindingRow{
		ID: newID(), Code: "F19", Severity: "high", SubjectType: first.SubjectType, Subject: first.Subject, OpenedAt: u.now, OpenedRun: u.run,
		Text: fmt.Sprintf("Access ended at %s, and %s has not acknowledged it: sessions there may still be alive.",
			first.EventAt.Time().UTC().Format(time.RFC3339), strings.Join(sinks, ", ")),
		Remedy: fmt.Sprintf("end the member's sessions there by hand, mend the receiver, then an administrator runs rollcall events retry %s", sinks[0]),
	}
	if err := u.tx.OpenFinding(f); err != nil {
		return err
	}
	u.tx.AfterCommit(func() {
		u.e.log.Error("a receiver has not acknowledged that access ended (F19)", "workspace", u.s.cfg.ID, "member_id", first.Subject,
			"sinks", strings.Join(sinks, " "), "event", first.EventID, "since", first.EventAt.String(), "remedy", f.Remedy)
	})
	u.findings = append(u.findings, f)
	return nil
}

// findingEvents tells of findings that were opened or closed: in the line of
// the member they are about.
func (u *unit) findingEvents() []outgoing {
	var out []outgoing
	for i := range u.findings {
		f := &u.findings[i]
		o := outgoing{kind: f.SubjectType, id: f.Subject, name: "finding.opened"}
		if f.ClosedAt != 0 {
			o.name = "finding.closed"
		}
		o.data = EventData{Finding: &EventFinding{ID: f.ID, Code: f.Code, Severity: f.Severity}}
		if o.kind == "member" {
			o.data.Member = o.id
		}
		out = append(out, o)
	}
	return out
}

// findingLists names the findings that the unit opened and closed, for its
// report.
func (u *unit) findingLists() (opened, closed []string) {
	opened, closed = []string{}, []string{}
	for i := range u.findings {
		f := &u.findings[i]
		if f.ClosedAt == 0 {
			opened = append(opened, f.Code+" "+f.ID)
		} else {
			closed = append(closed, f.Code+" "+f.ID)
		}
	}
	return opened, closed
}
