package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

// machine throws requests, edits, approvals and time at a workspace, and knows
// by itself what the directories have said.
type machine struct {
	*world
	rt     *rapid.T
	users  []*user
	dirs   []*group
	in     map[string]map[string]bool // directory group -> user name
	gone   map[string]bool            // records that are not there (deleted, or never let in)
	number []string
	trace  []string
}

var machinePeople = []string{"ann", "dan", "eve", "bob", "cy"}

func newMachine(rt *rapid.T, w *world) *machine {
	m := &machine{world: w, rt: rt, in: map[string]map[string]bool{}, gone: map[string]bool{}, number: []string{"+4722000001", "+4722000002", "+4722000099"}}
	w.numbers(m.number...)
	w.groups("Sales", "Support")
	for _, n := range machinePeople {
		m.users = append(m.users, &user{name: n, conn: rapid.SampledFrom([]string{"okta", "okta", "entra"}).Draw(rt, "connection of "+n)})
		m.gone[n] = true
	}
	for _, n := range []string{"reception", "sales", "phone-admins"} {
		m.dirs = append(m.dirs, &group{name: n})
		m.in[n] = map[string]bool{}
	}
	return m
}

func (m *machine) who(label string) string {
	return rapid.SampledFrom(machinePeople).Draw(m.rt, label) + "@acme.com"
}

// fatal fails with the steps that led here.
func (m *machine) fatal(format string, args ...any) {
	m.rt.Fatalf("%s\nsteps:\n%s", fmt.Sprintf(format, args...), strings.Join(m.trace, "\n"))
}

func (m *machine) did(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

// tolerable are refusals that a person gets for a wish that makes no sense now.
func tolerable(err error) bool {
	var edit *EditError
	var no *ApprovalError
	return err == nil || errors.As(err, &edit) || errors.As(err, &no) || errors.Is(err, ErrExpired) || errors.Is(err, workspace.ErrStale)
}

func (m *machine) push() {
	x := rapid.SampledFrom(m.users).Draw(m.rt, "user")
	was := *x
	x.off = rapid.IntRange(0, 3).Draw(m.rt, "off") == 0
	attrs := map[string]string{}
	if v := rapid.SampledFrom([]string{"Sales", "Support", "Kitchen", "", "absent"}).Draw(m.rt, "department"); v != "absent" {
		attrs["department"] = v
	}
	if v := rapid.SampledFrom([]string{"Oslo", "Oslo", "", "absent"}).Draw(m.rt, "office"); v != "absent" {
		attrs["office"] = v
	}
	if v := rapid.SampledFrom([]string{"", "bob@acme.com", "absent"}).Draw(m.rt, "manager"); v != "absent" {
		attrs["manager"] = v
	}
	x.attrs = attrs
	res, err := m.tryPush(x)
	m.did("push %s off=%v %v: %v refused=%v%s", x.name, x.off, attrs, err, res.Refusal != nil, told(res))
	if err != nil {
		m.fatal("push: %v", err)
	}
	if res.Refusal != nil {
		id, ver := x.id, x.ver
		*x = was
		x.id, x.ver = id, ver
		if m.gone[x.name] {
			x.id = ""
		}
		return
	}
	m.gone[x.name] = false
}

func (m *machine) drop() {
	x := rapid.SampledFrom(m.users).Draw(m.rt, "user")
	if m.gone[x.name] {
		return
	}
	res := m.world.drop(x)
	m.did("delete %s refused=%v%s", x.name, res.Refusal != nil, told(res))
	if res.Refusal == nil {
		x.id, x.ver = "", 0
		m.gone[x.name] = true
		for _, in := range m.in {
			delete(in, x.name)
		}
	}
}

func (m *machine) member() {
	g := rapid.SampledFrom(m.dirs).Draw(m.rt, "group")
	x := rapid.SampledFrom(m.users).Draw(m.rt, "user")
	if m.gone[x.name] || x.connection() != "okta" {
		return
	}
	var res Result
	if m.in[g.name][x.name] {
		res = m.put(g, nil, []*user{x})
	} else {
		res = m.put(g, []*user{x}, nil)
	}
	m.did("group %s toggles %s refused=%v%s", g.name, x.name, res.Refusal != nil, told(res))
	if res.Refusal == nil {
		m.in[g.name][x.name] = !m.in[g.name][x.name]
	}
}

func (m *machine) edit() {
	e := Edit{
		Kind: rapid.SampledFrom([]EditKind{
			EditRole, EditUnpin, EditDeactivate, EditReactivate, EditRemove, EditSessions, EditAssign, EditAssign, EditUnassign,
			EditOwn, EditDisown, EditJoin, EditLeave, EditInvite, EditRevoke, EditTransfer, EditGroupNew, EditGroupDrop,
		}).Draw(m.rt, "edit"),
		Member: m.who("member"), Number: rapid.SampledFrom(m.number).Draw(m.rt, "number"), Group: rapid.SampledFrom([]string{"Sales", "Support"}).Draw(m.rt, "group"),
		Role:   rapid.SampledFrom([]workspace.Role{workspace.RoleMember, workspace.RoleAdmin, workspace.RoleOwner}).Draw(m.rt, "role"),
		Access: rapid.SampledFrom([]workspace.Access{workspace.AccessExclusive, workspace.AccessShared, workspace.AccessViewOnly}).Draw(m.rt, "access"),
		Reason: "test",
	}
	if rapid.Bool().Draw(m.rt, "temporary") {
		e.Until = m.clock.Add(30 * time.Hour)
	}
	if e.Kind == EditGroupNew {
		e.Name = e.Group
	}
	if strings.HasPrefix(string(e.Kind), "number.") && (e.Kind != EditAssign && e.Kind != EditUnassign || rapid.IntRange(0, 3).Draw(m.rt, "to a group") > 0) {
		e.Group = ""
	}
	if e.Kind == EditInvite || e.Kind == EditRevoke {
		e.Email, e.Member, e.Role = m.who("invited"), "", workspace.RoleMember
		if e.Kind == EditInvite {
			e.Numbers = []string{e.Number}
		}
	}
	as := m.who("as")
	res, err := m.world.edit(as, e)
	m.did("%s does %s member=%s number=%s group=%s role=%s access=%s email=%s until=%v: %v%s", as, e.Kind, e.Member, e.Number, e.Group, e.Role, e.Access, e.Email, !e.Until.IsZero(), err, told(res))
	if !tolerable(err) {
		m.fatal("%s: %v", e.Kind, err)
	}
}

func (m *machine) decide() {
	holds := m.holds()
	if len(holds) == 0 {
		return
	}
	h := rapid.SampledFrom(holds).Draw(m.rt, "hold")
	as := m.who("as")
	if rapid.IntRange(0, 3).Draw(m.rt, "reject") == 0 {
		err := m.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: h.ID, As: as, Reason: "no"})
		m.did("%s rejects %s (%s): %v", as, h.ID, h.Reason, err)
		if !tolerable(err) {
			m.fatal("reject: %v", err)
		}
		return
	}
	res, err := m.approve(h.ID, as)
	m.did("%s approves %s (%s): %v%s", as, h.ID, h.Reason, err, told(res))
	if !tolerable(err) {
		m.fatal("approve: %v", err)
	}
	for _, i := range res.Identities {
		for _, x := range m.users {
			if i.ID != "" && x.name == i.UserName && x.connection() == i.Connection {
				x.id, x.ver, x.off = i.ID, i.Version, !i.Active
				x.attrs = map[string]string{}
				for k, v := range i.Attributes {
					if k == "department" || k == "office" || k == "manager" {
						x.attrs[k] = strings.Join(v, "")
					}
				}
				m.gone[x.name] = false
			}
		}
	}
	if err == nil {
		for _, x := range m.users {
			if i, err := m.identity(x.id); x.id != "" && err == nil {
				x.ver = i.Version
			} else {
				x.id, x.ver, m.gone[x.name] = "", 0, true
				for _, in := range m.in {
					delete(in, x.name)
				}
			}
		}
	}
}

func (m *machine) wait() {
	m.clock = m.clock.Add(rapid.SampledFrom([]time.Duration{time.Hour, 31 * time.Hour, 8 * 24 * time.Hour, 91 * 24 * time.Hour}).Draw(m.rt, "wait"))
	for n := 0; ; n++ {
		did, err := m.e.Due(context.Background(), "acme")
		if err != nil {
			m.fatal("due: %v", err)
		}
		if did == 0 {
			break
		}
		if n > 10 {
			m.fatal("something stays due for ever")
		}
	}
	m.did("it is %s", m.clock.Format(time.DateTime))
}

// step makes one random step.
func (m *machine) step() {
	m.clock = m.clock.Add(time.Minute)
	switch rapid.SampledFrom([]string{"push", "push", "push", "drop", "member", "member", "edit", "edit", "edit", "decide", "wait"}).Draw(m.rt, "step") {
	case "push":
		m.push()
	case "drop":
		m.drop()
	case "member":
		m.member()
	case "edit":
		m.edit()
	case "decide":
		m.decide()
	default:
		m.wait()
	}
}

// follows compares what rows support with what the directory said last: a row
// that is true gives, one that is false does not, and one that cannot be told
// is left alone (I14).
func (m *machine) follows(a *auditor) {
	supports := map[string]bool{}
	for _, r := range a.rows(`SELECT m.email, s.kind, s.given_by, COALESCE(g.name, n.e164, '') FROM support s JOIN member m ON m.member_id = s.member_id
		LEFT JOIN groups g ON g.group_id = s.object_id LEFT JOIN number n ON n.number_id = s.object_id`) {
		supports[strings.Join(r, " ")] = true
	}
	groups := map[string]bool{}
	for _, r := range a.rows(`SELECT name FROM groups`) {
		groups[r[0]] = true
	}
	exempt := map[string]bool{}
	for _, r := range a.rows(`SELECT m.email, x.rule, COALESCE(g.name, n.e164, '') FROM exception x JOIN member m ON m.member_id = x.member_id
		LEFT JOIN groups g ON g.group_id = x.object_id LEFT JOIN number n ON n.number_id = x.object_id`) {
		exempt[strings.Join(r, " ")] = true
	}
	linked := map[string]bool{}
	for _, r := range a.rows(`SELECT i.user_name, m.email FROM identity i JOIN member m ON m.member_id = i.member_id WHERE m.state = 'active' AND NOT i.deleted AND i.active`) {
		linked[r[0]+"@acme.com "+r[1]] = true
	}
	for _, x := range m.users {
		email := x.name + "@acme.com"
		if m.gone[x.name] || x.off || !linked[email+" "+email] {
			continue
		}
		for _, g := range []string{"Sales", "Support"} {
			said, known := x.attrs["department"]
			has := supports[email+" group rule g-dept "+g]
			if known && has != (said == g && groups[g] && !exempt[email+" rule g-dept "+g]) && !(said == g && !has) {
				m.fatal("g-dept gives %s %s: %v, but the directory says %q", email, g, has, said)
			}
		}
		if x.connection() == "okta" {
			has := supports[email+" group rule g-sales Sales"]
			if has && !m.in["sales"][x.name] {
				m.fatal("g-sales gives Sales to %s, who is not in sales", email)
			}
			if desk := supports[email+" number rule n-desk +4722000099"]; desk && !m.in["reception"][x.name] {
				m.fatal("n-desk gives the desk to %s, who is not in reception", email)
			}
			if supports[email+" role rule r-admin "] && !m.in["phone-admins"][x.name] {
				m.fatal("r-admin makes %s Admin, who is not in phone-admins", email)
			}
		}
	}
}

// TestMachine is EV7 and the invariants: whatever is done in whatever order,
// the store is sound after each step and the rows follow the directory.
func TestMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		play(rt, newWorld(t, liteURL(t), testMapping), rapid.IntRange(5, 25).Draw(rt, "steps"))
	})
}

// TestMachineOnPostgres plays a few of the same games on the other engine.
func TestMachineOnPostgres(t *testing.T) {
	url := storetest.Postgres(t)
	played := false
	rapid.Check(t, func(rt *rapid.T) {
		if !played { // one long game: a database is dear
			played = true
			play(rt, newWorld(t, url, testMapping), 40)
		}
	})
}

func play(rt *rapid.T, w *world, steps int) {
	defer w.close()
	m := newMachine(rt, w)
	a := w.auditor()
	for range steps {
		m.step()
		if found := a.check(); len(found) > 0 {
			m.fatal("%s", strings.Join(slices.Compact(found), "\n"))
		}
		m.follows(a)
	}
}
