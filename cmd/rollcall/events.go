package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type eventsCmd struct {
	List   eventListCmd   `cmd:"" default:"withargs" help:"What waits for a receiver, and why (the default)."`
	Retry  eventRetryCmd  `cmd:"" help:"Try what waits at once."`
	Settle eventSettleCmd `cmd:"" help:"Take an event out of a receiver's line, with a reason."`
	Resume eventResumeCmd `cmd:"" help:"Deliver again to a receiver that was disabled."`
}

type eventListCmd struct {
	workspaceFlag
	formatFlag
	Sink  string `help:"Only this receiver's." placeholder:"ID"`
	Dead  bool   `help:"Dead letters: events given up after 72 hours."`
	Done  bool   `help:"What was delivered, superseded, settled or given up, newest first."`
	Limit int    `help:"How many at most." default:"50"`
}

// Help is shown by --help.
func (eventListCmd) Help() string {
	return `Lines that end access come first. Exit 3 if such a line has waited for more than five minutes.

Example:
  rollcall events list
  rollcall events list --dead`
}

// eventView is one event at one receiver in JSON.
type eventView struct {
	EventID     string            `json:"event_id"`
	Sink        string            `json:"sink"`
	SinkState   string            `json:"sink_state"`
	Type        string            `json:"type"`
	SubjectType string            `json:"subject_type"`
	SubjectID   string            `json:"subject_id"`
	Seq         int64             `json:"seq"`
	State       string            `json:"state"`
	EndsAccess  bool              `json:"ends_access"`
	Tries       int               `json:"tries"`
	Status      int               `json:"status"`
	Fault       string            `json:"fault"`
	At          workspace.Micros  `json:"at"`
	NextAt      *workspace.Micros `json:"next_at"`
	DoneAt      *workspace.Micros `json:"done_at"`
	VerifiedAt  *workspace.Micros `json:"verified_at"`
}

// Run lists events.
func (c *eventListCmd) Run(ctx context.Context, env *environment) (err error) {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	views, overdue := []eventView{}, false
	err = s.view(ctx, func(r *store.Reader) error {
		sinks, err := r.Sinks()
		if err != nil {
			return err
		}
		late, err := r.Undelivered(workspace.At(time.Now().Add(-5*time.Minute)), 1)
		if err != nil {
			return err
		}
		if c.Sink != "" && !slices.ContainsFunc(sinks, func(s store.SinkRow) bool { return s.ID == c.Sink }) {
			return unknownSink(workspace.ErrNotFound, c.Sink)
		}
		overdue = len(late) > 0
		if c.Dead || c.Done {
			views, err = c.done(r, sinks)
			return err
		}
		for i := range sinks {
			if c.Sink != "" && c.Sink != sinks[i].ID || len(views) >= c.Limit {
				continue
			}
			lines, err := r.Waiting(sinks[i].ID, c.Limit-len(views))
			if err != nil {
				return err
			}
			for k := range lines {
				views = append(views, viewWaiting(&lines[k], sinks[i].State))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l := listing{items: views, header: []string{"event", "sink", "type", "subject", "state", "tries", "answer", "at", "next"}, none: "nothing waits"}
	for i := range views {
		v := &views[i]
		l.rows = append(l.rows, []string{
			v.EventID, v.Sink, v.Type, v.SubjectID, v.State, strconv.Itoa(v.Tries), answered(v.Status, v.Fault), stamp(v.At),
			stamp(derefTime(v.NextAt)),
		})
	}
	if err := l.write(env.out, c.Format); err != nil {
		return err
	}
	if overdue {
		return &exitError{code: exitHeld}
	}
	return nil
}

// done lists what is over.
func (c *eventListCmd) done(r *store.Reader, sinks []store.SinkRow) ([]eventView, error) {
	rows, err := r.Deliveries(c.Dead, 0, c.Limit)
	views := []eventView{}
	states := map[string]string{}
	for i := range sinks {
		states[sinks[i].ID] = sinks[i].State
	}
	for i := range rows {
		d := &rows[i]
		if c.Sink != "" && c.Sink != d.Sink {
			continue
		}
		views = append(views, eventView{
			EventID: d.EventID, Sink: d.Sink, SinkState: states[d.Sink], Type: d.Type, SubjectType: d.SubjectType,
			SubjectID: d.Subject, Seq: d.Seq, State: d.State, EndsAccess: d.Leaver, Tries: d.Tries, Status: d.Status, Fault: d.Reason,
			At: d.EventAt, DoneAt: optionalTime(d.DoneAt), VerifiedAt: optionalTime(d.VerifiedAt),
		})
	}
	return views, err
}

// viewWaiting is a line's head; a sink that is not active holds its lines up.
func viewWaiting(w *store.WaitingLine, sink string) eventView {
	v := eventView{
		EventID: w.EventID, Sink: w.Sink, SinkState: sink, Type: w.Type, SubjectType: w.SubjectType, SubjectID: w.Subject, Seq: w.Seq,
		State: "pending", EndsAccess: w.EndsAccess, Tries: w.Tries, Status: w.Status, Fault: w.Fault, At: w.At, NextAt: optionalTime(w.DueAt),
	}
	if sink != store.SinkActive {
		v.State, v.NextAt = "pending, sink "+sink, nil
	}
	return v
}

// answered shows a receiver's last answer.
func answered(status int, fault string) string {
	switch {
	case status == 0:
		return fault
	case fault == "":
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status) + " " + fault
}

func derefTime(m *workspace.Micros) workspace.Micros {
	if m == nil {
		return 0
	}
	return *m
}

type eventRetryCmd struct {
	workspaceFlag
	Sink  string `arg:"" help:"Receiver's id."`
	Event string `arg:"" optional:"" help:"Event's id: only its line; all lines if left out."`
}

// Help is shown by --help.
func (eventRetryCmd) Help() string { return "Example:\n  rollcall events retry phone" }

// Run makes lines due.
func (c *eventRetryCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	said := ""
	err = s.handle.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		now := workspace.At(time.Now())
		if _, err := tx.Sink(c.Sink); err != nil {
			return unknownSink(err, c.Sink)
		}
		if c.Event == "" {
			n, err := tx.RetrySink(c.Sink, now)
			said = fmt.Sprintf("%d lines of %s are due now", n, c.Sink)
			return err
		}
		e, err := tx.Event(c.Event)
		if err != nil {
			return fmt.Errorf("event %s: %w\ndo: take it from `rollcall events list`", c.Event, err)
		}
		said = fmt.Sprintf("the line of %s %s is due now", e.SubjectType, e.Subject)
		if err := tx.RetryLine(c.Sink, e.SubjectType, e.Subject, now); err != nil {
			return fmt.Errorf("nothing of %s %s waits for %s: %w", e.SubjectType, e.Subject, c.Sink, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.out, said)
	return err
}

// unknownSink says where receivers are to be found.
func unknownSink(err error, id string) error {
	if errors.Is(err, workspace.ErrNotFound) {
		return fmt.Errorf("no receiver %q (%w)\ndo: see events.webhooks and events.streams in the configuration", id, err)
	}
	return err
}

type eventSettleCmd struct {
	workspaceFlag
	asFlag
	Sink   string `arg:"" help:"Receiver's id."`
	Event  string `arg:"" help:"Event's id, see events list."`
	Reason string `help:"Why the receiver needs it no more; stands in the log." required:""`
}

// Help is shown by --help.
func (eventSettleCmd) Help() string {
	return `Only the event at the head of its line can be settled. An event that ends access waits until it is delivered or settled:
make sure that the receiver has ended the sessions before you settle it.

Example:
  rollcall events settle phone evt_0199f3a2-6c1e-7d05-9a51-0b6f3c1d2e4f --as ann@acme.com --reason "ended by hand, ticket 4711"`
}

// Run settles an event.
func (c *eventSettleCmd) Run(ctx context.Context, env *environment) error {
	return c.withEngine(ctx, func(s *session, engine *sync.Engine) error {
		err := engine.SettleEvent(ctx, sync.Settlement{Workspace: s.workspace.ID, Sink: c.Sink, Event: c.Event, As: c.As, Reason: c.Reason})
		if errors.Is(err, workspace.ErrNotFound) {
			return fmt.Errorf("nothing of event %s waits for receiver %s (%w)\ndo: take both from `rollcall events list`", c.Event, c.Sink, err)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.out, "%s is settled at %s\n", c.Event, c.Sink)
		return err
	})
}

type eventResumeCmd struct {
	workspaceFlag
	Sink string `arg:"" help:"Receiver's id."`
}

// Help is shown by --help.
func (eventResumeCmd) Help() string {
	return `A receiver that answered 410 gets no events until it is resumed; what came meanwhile is delivered then.

Example:
  rollcall events resume phone`
}

// Run resumes a receiver.
func (c *eventResumeCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	err = s.handle.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.ResumeSink(c.Sink, workspace.At(time.Now())) })
	if errors.Is(err, workspace.ErrConflict) {
		return fmt.Errorf("receiver %q is no longer in the configuration: put it back and restart the daemon", c.Sink)
	}
	if err != nil {
		return unknownSink(err, c.Sink)
	}
	_, err = fmt.Fprintf(env.out, "%s is active\n", c.Sink)
	return err
}
