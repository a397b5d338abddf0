package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// This file has which step comes, and how a sequence ends.

// sequenceFaults are the faults under which the directory is read.
var sequenceFaults = []fakeidp.Fault{
	fakeidp.EmptyPages, fakeidp.Repeats, fakeidp.Sparse, fakeidp.Split, fakeidp.Stale, fakeidp.Expired410, fakeidp.Expired400, fakeidp.Throttle,
	fakeidp.DataMissing, fakeidp.FlagMissing, fakeidp.ForeignNext, fakeidp.ForeignDelta, fakeidp.LostAnswer, fakeidp.ServerError, fakeidp.MissingScope,
	fakeidp.Forbidden, fakeidp.GroupsHidden, fakeidp.InvalidClient, fakeidp.Garbage,
}

// act does one thing, drawn. Alone is false while the directory is read.
func (s *sequence) act(alone bool) {
	acts := []string{"change", "change", "change", "change", "push", "push", "push", "sign in", "sign in", "signal", "signal", "logout", "ask", "ask", "stranger"}
	if alone {
		acts = append(acts, "poll", "poll", "poll", "poll", "liveness", "approve", "approve", "reject", "reload", "wait", "restart")
	}
	switch rapid.SampledFrom(acts).Draw(s.t, "act") {
	case "change":
		s.change()
	case "push":
		s.push()
	case "sign in":
		s.signInAs(s.one())
	case "stranger":
		s.signInAs(nil)
	case "signal":
		s.signal()
	case "logout":
		s.logout()
	case "ask":
		s.ask()
	case "poll":
		s.drawPoll()
	case "liveness":
		s.liveness()
	case "approve":
		s.decide(true)
	case "reject":
		s.decide(false)
	case "reload":
		s.other = !s.other
		s.restart("with another mapping")
	case "wait":
		s.wait(rapid.SampledFrom([]time.Duration{time.Hour, 26 * time.Hour, 8 * 24 * time.Hour}).Draw(s.t, "wait"))
	case "restart":
		s.restart("again")
	}
}

func (s *sequence) drawPoll() {
	full := rapid.IntRange(0, 2).Draw(s.t, "full") == 0
	switch rapid.IntRange(0, 3).Draw(s.t, "way") {
	case 0:
		s.poll(full, rapid.SampledFrom(sequenceFaults).Draw(s.t, "fault"), nil)
	case 1:
		s.poll(full, "", func() {
			for range rapid.IntRange(1, 4).Draw(s.t, "acts") {
				s.act(false)
			}
		})
	default:
		s.poll(full, "", nil)
	}
}

// wait lets time pass, and what is due happen.
func (s *sequence) wait(d time.Duration) {
	s.fake.Wind(d)
	for range 10 {
		n, err := s.engine.Due(context.Background(), "acme")
		if err != nil && !s.crashed() {
			s.fatal("due: %v", err)
		}
		if err != nil || n == 0 {
			break
		}
	}
	s.say("%s pass", d)
}

// settle lets everything arrive: all pushes, whole reads, what signals asked
// for, and what waits for a person. Then access is what the provider says, and
// another read changes nothing.
func (s *sequence) settle() {
	s.say("-- everything arrives now --")
	for range 4 {
		for _, p := range s.people {
			s.lastWord(p)
		}
		for range 2 {
			s.fake.Wind(2 * time.Hour)
			s.poll(true, "", nil)
		}
		s.wait(time.Minute)
		for range 20 {
			if !s.approveAll() {
				break
			}
		}
		s.check()
	}
	for _, p := range s.people {
		s.pushGroup(p)
	}
	s.check()
	if diff := cmp.Diff(s.upstream(), s.workspace()); diff != "" {
		var said []string
		for _, p := range s.people {
			said = append(said, p.said())
		}
		for _, h := range s.holds() {
			said = append(said, "held: "+h.Reason)
		}
		s.fatal("in the end the workspace differs from the provider (-provider +workspace):\n%s\n%s", diff, strings.Join(said, "\n"))
	}
	before := s.dump()
	s.poll(true, "", nil)
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		s.fatal("another whole read writes:\n%s", diff)
	}
}

// lastWord makes the client say how somebody is now.
func (s *sequence) lastWord(p *seqPerson) {
	x, there := s.fake.Person(p.id)
	p.outbox = []pushed{{gone: !there, off: x.Disabled, userName: p.name, display: "Person " + p.name}}
	s.deliverAll(p)
}

// approveAll approves one plan; false when none can be.
func (s *sequence) approveAll() bool {
	for _, h := range s.holds() {
		if s.sensible(h) && s.approve(h) {
			return true
		}
	}
	return false
}

// upstream shows who has access by what the provider says: role, whether at
// the desk, whether in Sales.
func (s *sequence) upstream() map[string]string {
	in := map[string]map[string]bool{}
	for name, id := range s.groupID {
		g, _ := s.fake.Group(id)
		in[name] = map[string]bool{}
		for _, m := range g.Members {
			in[name][m.ID] = true
		}
	}
	out := map[string]string{"sentinel@acme.com": "member"}
	for _, p := range s.people {
		if truth(s.fake, p) == yes {
			out[p.name+"@acme.com"] = shown(in["phone-admins"][p.id], in["desk"][p.id], p.present && p.user != "")
		}
	}
	return out
}

func shown(admin, desk, sales bool) string {
	text := "member"
	if admin {
		text = "admin"
	}
	if desk {
		text += ", number"
	}
	if sales {
		text += ", Sales"
	}
	return text
}

// workspace shows who has access here.
func (s *sequence) workspace() map[string]string {
	out := map[string]string{}
	s.must(s.view(func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{States: []workspace.MemberState{workspace.StateActive}, Limit: 100})
		for _, m := range list {
			if m.Role != workspace.RoleOwner && !m.Contained {
				out[m.Email] = shown(m.Role == workspace.RoleAdmin, len(m.Numbers) > 0, slices.Contains(m.Groups, "Sales"))
			}
		}
		return err
	}))
	return out
}

// rows reads a statement about the tables, past engine and store.
func (s *sequence) rows(each func(row []string), query string) (err error) {
	if s.db == nil {
		if file, lite := strings.CutPrefix(s.url, "sqlite:"); lite {
			s.db, err = sql.Open("sqlite", "file:"+file+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
		} else {
			s.db, err = sql.Open("pgx", s.url)
		}
		if err != nil {
			return err
		}
	}
	rows, err := s.db.Query(query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	names, err := rows.Columns()
	for err == nil && rows.Next() {
		texts, at := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range texts {
			at[i] = &texts[i]
		}
		if err = rows.Scan(at...); err == nil {
			row := make([]string, len(names))
			for i := range texts {
				row[i] = texts[i].String
			}
			each(row)
		}
	}
	return err
}

// dump is what a read that finds nothing new may not touch.
func (s *sequence) dump() map[string]string {
	out := map[string]string{}
	for name, query := range map[string]string{
		"members":   `SELECT member_id, email, role, state, epoch, version, contained, tail_held FROM member ORDER BY member_id`,
		"records":   `SELECT identity_id, external_id, member_id, active, deleted, reason, version FROM identity ORDER BY identity_id`,
		"supports":  `SELECT member_id, kind, object_id, given_by, value FROM support ORDER BY member_id, kind, object_id, given_by`,
		"numbers":   `SELECT number_id, state FROM number ORDER BY number_id`,
		"held":      `SELECT hold_id, state FROM hold ORDER BY hold_id`,
		"changes":   `SELECT kind, verdict, outcome, rule, record FROM change ORDER BY at, change_id`,
		"events":    `SELECT COUNT(*) FROM event WHERE type <> 'run.finished'`,
		"sessions":  `SELECT session_id, ended_at FROM session ORDER BY session_id`,
		"tombstone": `SELECT value, lifted_at FROM tombstone ORDER BY value`,
	} {
		var lines []string
		s.must(s.rows(func(row []string) { lines = append(lines, strings.Join(row, " ")) }, query))
		out[name] = strings.Join(lines, "\n")
	}
	return out
}
