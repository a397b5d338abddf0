package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// This file has what happens at the provider, and how the directory that is
// polled comes to say so.

// one draws a person.
func (s *sequence) one() *seqPerson { return rapid.SampledFrom(s.people).Draw(s.t, "who") }

// create adds a person at the provider, perhaps with a login and a mailbox
// that were another's.
func (s *sequence) create() {
	var name string
	if at := slices.IndexFunc(s.names, s.vacant); at >= 0 && rapid.Bool().Draw(s.t, "used name") {
		name = s.names[at]
		s.names = slices.Delete(s.names, at, at+1)
	} else {
		s.made++
		name = fmt.Sprintf("p%02d", s.made)
	}
	p := &seqPerson{name: name, since: silence, dir: heard{may: silence}, push: heard{may: silence}, ever: map[string]bool{}}
	p.id = s.fake.Add(fakeidp.Person{UserName: name + "@acme.com", Email: name + "@acme.com", Given: "Person", Family: name, Title: "Staff"})
	s.people = append(s.people, p)
	s.say("provider: %s is created (%s)", name, p.id)
	s.queue(p)
}

// vacant tells whether nobody has access by a login any more. Who is given it
// earlier, and is pushed before any source has told that the former bearer is
// gone, is taken for them: on a verified domain the address links (SX03).
func (s *sequence) vacant(name string) bool {
	return !slices.ContainsFunc(s.people, func(p *seqPerson) bool { return p.active && p.held == name })
}

// queue puts what the provider says of a person into the client's outbox.
func (s *sequence) queue(p *seqPerson) {
	x, there := s.fake.Person(p.id)
	p.outbox = append(p.outbox, pushed{gone: !there, off: x.Disabled, userName: p.name, display: "Person " + p.name})
	if truth(s.fake, p) == no {
		p.offAt = s.fake.Now()
	}
}

// change does one thing at the provider.
func (s *sequence) change() {
	before := map[*seqPerson]word{}
	for _, p := range s.people {
		before[p] = truth(s.fake, p)
	}
	s.changeOf(s.one())
	for _, p := range s.people {
		now := truth(s.fake, p)
		if p.since |= now; before[p] != now {
			s.clock++
			p.moved = s.clock
		}
	}
}

// changeOf does one thing to somebody.
func (s *sequence) changeOf(p *seqPerson) {
	x, there := s.fake.Person(p.id)
	switch op := rapid.SampledFrom([]string{"create", "disable", "disable", "enable", "enable", "delete", "restore", "rename", "move", "contractor", "group", "group", "sales"}).Draw(s.t, "change"); {
	case op == "create" && len(s.people) < 12:
		s.create()
	case op == "disable" && there && !x.Disabled:
		s.fake.Disable(p.id, true)
		s.say("provider: %s is disabled", p.name)
		s.queue(p)
	case op == "enable" && there && x.Disabled:
		s.fake.Disable(p.id, false)
		s.say("provider: %s is enabled", p.name)
		s.queue(p)
	case op == "delete" && there && len(s.fake.People()) > 4:
		s.fake.Delete(p.id)
		s.say("provider: %s is deleted", p.name)
		if rapid.Bool().Draw(s.t, "purged") {
			s.fake.Purge(p.id)
			s.say("provider: %s is purged", p.name)
		}
		s.names = append(s.names, p.name)
		s.queue(p)
	case op == "restore" && !there && slices.Contains(s.names, p.name):
		if s.fake.Restore(p.id); !s.exists(p) {
			return // purged
		}
		s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == p.name })
		s.say("provider: %s is restored", p.name)
		s.queue(p)
	case op == "rename" && there:
		s.made++
		title := fmt.Sprintf("Family%d", s.made)
		s.fake.Change(p.id, func(x *fakeidp.Person) { x.Family = title }, "surname", "displayName")
		s.say("provider: %s has another name", p.name)
	case op == "move" && there && p.dir.may == yes && p.user != "" && p.push.may == yes && p.active:
		s.made++
		s.names = append(s.names, p.name)
		p.name = fmt.Sprintf("p%02d", s.made)
		s.fake.Change(p.id, func(x *fakeidp.Person) { x.UserName, x.Email = p.name+"@acme.com", p.name+"@acme.com" }, "userPrincipalName", "mail")
		s.say("provider: %s has another login and mailbox, %s", p.id, p.name)
		s.queue(p)
	case op == "contractor" && there && (p.dir.may == yes || x.Title == "Contractor"): // a no counts of whom a record stands for
		title := map[bool]string{true: "Staff", false: "Contractor"}[x.Title == "Contractor"]
		s.fake.Change(p.id, func(x *fakeidp.Person) { x.Title = title }, "jobTitle")
		s.say("provider: %s is %s now", p.name, title)
	case op == "group" && there:
		s.regroup(p)
	case op == "sales":
		p.present = !p.present
		s.say("provider: %s in the pushed group: %v", p.name, p.present)
		s.pushGroup(p)
	}
}

func (s *sequence) exists(p *seqPerson) bool {
	_, there := s.fake.Person(p.id)
	return there
}

// regroup moves somebody into a group of the directory or out of it; nobody is
// taken out who would leave it empty, which is not believed (RD4).
func (s *sequence) regroup(p *seqPerson) {
	name := rapid.SampledFrom([]string{"phone-admins", "desk"}).Draw(s.t, "group")
	g, _ := s.fake.Group(s.groupID[name])
	if at := slices.Contains(g.Members, fakeidp.Member{ID: p.id}); at && len(g.Members) > 1 {
		s.fake.Leave(g.ID, p.id)
		s.say("provider: %s leaves %s", p.name, name)
	} else if !at && len(g.Members) < 4 {
		s.fake.Join(g.ID, fakeidp.Member{ID: p.id})
		p.ever[name] = true
		s.say("provider: %s joins %s", p.name, name)
	}
}

// blinding are faults that look like a success to a delta: what was missed is
// for the next whole read.
var blinding = []fakeidp.Fault{fakeidp.MissingScope, fakeidp.GroupsHidden, fakeidp.LogsHidden, fakeidp.DataMissing}

// poll reads the directory, perhaps under a fault, perhaps with something
// happening between two of its pages.
func (s *sequence) poll(full bool, fault fakeidp.Fault, between func()) {
	began := s.clock
	for _, p := range s.people {
		p.since = truth(s.fake, p)
	}
	if fault != "" {
		s.fake.Break(fault, rapid.SampledFrom([]int{-1, 1, 2}).Draw(s.t, "times"))
		s.fake.Tokens.Revoke()
	}
	if between != nil {
		at, turn := rapid.IntRange(1, 6).Draw(s.t, "between"), 0
		s.fake.OnPage(func(string) {
			if turn++; turn == at {
				s.say("(while the directory is read:)")
				between()
			}
		})
	}
	res, err := s.engine.Poll(context.Background(), s.polled, "test", sync.SyncOptions{Full: full, Trigger: "operator"})
	s.fake.Mend()
	s.fake.OnPage(nil)
	whole := err == nil && !s.crashed() && len(res.Run.IncompleteWhy) == 0 && !slices.Contains(blinding, fault)
	s.say("poll full=%v fault=%q: err=%s incomplete=%v applied=%d held=%d denied=%d", full, fault, brief(err), res.Run.IncompleteWhy, res.Run.Counts.Applied, res.Run.Counts.Held, res.Run.Counts.Denied)
	for _, p := range s.people {
		s.readOf(p, whole, began)
	}
}

// readOf notes what a read of the directory may have said of somebody.
func (s *sequence) readOf(p *seqPerson, whole bool, began int) {
	now := truth(s.fake, p)
	switch {
	case p.dir.at > began && p.dir.at > p.moved && p.dir.may == now:
		return // said of this very person since the read began, and still so
	case !whole || p.since != now || p.dir.at > began:
		p.dir.perhaps(p.since | now)
	case now == yes:
		s.hears(&p.dir, yes)
	case p.dir.may&silence != 0 || !s.provesAbsence(p):
		p.dir.perhaps(no)
	default:
		s.hears(&p.dir, no)
	}
}

// provesAbsence tells whether a whole read that does not have a person as
// enabled is an explicit no: a flag is one, and the recycle bin; who is merely
// absent must be confirmed, and may be held by the brake (E2).
func (s *sequence) provesAbsence(p *seqPerson) bool {
	_, there := s.fake.Person(p.id)
	return there || s.kind == oidc.Graph && s.fake.Deleted(p.id)
}

// ask reads the next person whom a signal was about, or forgets to.
func (s *sequence) ask() {
	s.mu.Lock()
	queue := s.asked
	if len(queue) > 0 {
		s.asked = queue[1:]
	}
	s.mu.Unlock()
	if len(queue) == 0 {
		return
	}
	id := queue[0]
	at := slices.IndexFunc(s.people, func(p *seqPerson) bool { return p.id == id })
	if at < 0 {
		s.fatal("the directory is to be asked about %s, whom nobody knows", id)
	}
	p := s.people[at]
	fault := rapid.SampledFrom([]fakeidp.Fault{"", "", fakeidp.ServerError, fakeidp.LostAnswer, fakeidp.Throttle}).Draw(s.t, "fault")
	if fault != "" {
		s.fake.Break(fault, -1)
	}
	err := s.engine.Ask(context.Background(), s.polled, id, "signal")
	s.fake.Mend()
	s.say("the directory is asked about %s: %s", p.name, brief(err))
	s.askedOf(p, err == nil && !s.crashed())
}

// askedOf notes what the directory's answer about one person says.
func (s *sequence) askedOf(p *seqPerson, answered bool) {
	now := truth(s.fake, p)
	switch {
	case !answered:
		p.dir.perhaps(now)
	case now == yes:
		s.hears(&p.dir, yes)
	case p.dir.may&silence != 0, !s.provesAbsence(p):
		p.dir.perhaps(no)
	default:
		s.hears(&p.dir, no)
	}
}

// holds are the plans that wait for a person.
func (s *sequence) holds() (open []store.HoldRow) {
	s.must(s.view(func(r *store.Reader) (err error) {
		open, err = r.OpenHolds("")
		return err
	}))
	return open
}

// decide lets dan approve or reject a plan that is held.
func (s *sequence) decide(approve bool) {
	open := s.holds()
	if len(open) == 0 {
		return
	}
	h := rapid.SampledFrom(open).Draw(s.t, "hold")
	if approve {
		if s.sensible(h) {
			s.approve(h)
		}
		return
	}
	err := s.engine.Reject(context.Background(), sync.Approval{Workspace: "acme", Plan: h.ID, As: "dan@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Reason: "no"})
	s.say("dan rejects %q: %s", h.Reason, brief(err))
	s.decided(err)
}

// sensible tells whether dan, who knows the people, agrees: he links somebody
// with the member that they are, and says that they are another person than the
// leaver with their address only of another person.
func (s *sequence) sensible(h store.HoldRow) bool {
	address, _, takes := strings.Cut(h.Reason, " is a member this connection may not take over")
	if !takes {
		return true
	}
	sensible := false
	s.must(s.view(func(r *store.Reader) error {
		m, err := r.MemberByEmail(address)
		if isNotFound(err) {
			return nil
		}
		owner := s.owners[m.ID]
		same := owner != nil && strings.Contains(string(h.Observation)+string(h.Changes), owner.id)
		sensible = same == (m.State == workspace.StateActive)
		return err
	}))
	return sensible
}

// approve approves one plan.
func (s *sequence) approve(h store.HoldRow) bool {
	res, err := s.engine.Approve(context.Background(), sync.Approval{Workspace: "acme", Plan: h.ID, As: "dan@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Reason: "seen"})
	s.say("dan approves %q: applied %d, %s", h.Reason, res.Counts.Applied, brief(err))
	s.decided(err)
	return err == nil
}

// decided tolerates that a plan is not what it was.
func (s *sequence) decided(err error) {
	var stale *sync.StaleError
	var refused *sync.ApprovalError
	if err != nil && !s.crashed() && !errors.As(err, &stale) && !errors.As(err, &refused) && !errors.Is(err, sync.ErrExpired) && !errors.Is(err, workspace.ErrStale) {
		s.fatal("deciding: %v", err)
	}
}
