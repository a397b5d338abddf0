package sync

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Entry is what a person brings who joins by a claimed domain.
type Entry struct {
	Evidence Evidence           `json:"evidence"`
	Identity *store.IdentityRow `json:"identity,omitempty"`
}

// entered is what was found out about a wish to join.
type entered struct {
	claim string
	row   EvidenceRow
	price Price
}

// enters reports whether a batch is somebody joining by a domain: nobody is a
// member yet, so it has none as its actor.
func enters(edits []Edit) bool { return len(edits) == 1 && edits[0].Kind == EditEnter }

// planEntry makes a Member of somebody whose address lies in a claimed domain
// (R19). Nothing else comes with it: no role above Member (I10), no number and
// no group but what mapping rows give to a record (DC8).
func (u *unit) planEntry(e *Edit) error {
	if e.Enter == nil || u.b.Kind != RunJoin && u.b.Kind != RunApproval {
		return &EditError{Field: "kind", Reason: "joining by a domain needs proof of the address", Remedy: "sign in, or ask for a code at /join"}
	}
	ev := &e.Enter.Evidence
	name, err := plainName("name", orElse(e.Name, ev.Email))
	if err != nil {
		return err
	}
	key := emailKey(ev.Email)
	m := workspace.Member{
		ID: newID(), Version: 1, Name: name, Email: strings.TrimSpace(ev.Email), EmailKey: key, Role: workspace.RoleMember,
		RoleSource: workspace.SourceDomain, State: workspace.StateActive, Epoch: 1, JoinedAt: u.now,
	}
	u.actor.ID, u.actor.Label = m.ID, m.Email
	u.entered = &entered{}
	c := workspace.Cause{Kind: workspace.CauseJoin, Direct: true, Support: byDomain, ReasonClass: "new_hire", Connection: ev.Connection}
	c.ExternalID = key // who it is about, in plans and rejections: the member's id is made anew each time
	if c.Tombstone, err = u.buriedEvidence(ev, key); err != nil {
		return err
	}
	p := &person{key: "member:" + m.ID, member: &m, trigger: workspace.Identity{ExternalID: key}}
	change := planned{
		Change:  workspace.Change{Kind: workspace.MemberCreate, Subject: memberRef(m), Member: m.ID, After: m, Cause: c},
		subject: p.key, person: p.key,
		then: []effect{u.support(p, mapping.GrantMember, "", byDomain, "", ev.Connection)},
	}
	if change.ruling, err = u.entryRuling(e, key); err != nil {
		return err
	}
	if e.Enter.Identity != nil && (change.ruling == nil || change.ruling.Verdict == workspace.Hold) {
		row := *e.Enter.Identity
		refused, err := u.entryRecord(&row, ev.Connection)
		if err != nil {
			return err
		}
		if refused != nil {
			change.ruling = refused
		}
		change.then = append(change.then, u.linkRecord(row, ev.Connection, m.ID))
	}
	change.Cause.Source = u.entered.claim
	u.add(change)
	u.entered.price = u.seatPrice()
	return u.useUpInvitation(p)
}

// useUpInvitation ends the pending invitation of who joins without it: numbers
// given in advance go back, in the name of who had given them.
func (u *unit) useUpInvitation(p *person) error {
	from := len(u.plan)
	if err := u.consumeInvitation(p); err != nil {
		return err
	}
	id := ""
	for i := from; i < len(u.plan); i++ {
		if u.plan[i].Subject.Type == "invitation" {
			id = u.plan[i].Subject.ID
		}
		u.plan[i].Cause.Invitation = id
	}
	return nil
}

// entryRecord finds the record that a joiner's account has already; a ruling
// if it is somebody else's (OS2).
func (u *unit) entryRecord(row *store.IdentityRow, connection string) (*workspace.Decision, error) {
	var known workspace.Identity
	err := workspace.ErrNotFound
	switch {
	case row.ID != "":
		known, err = u.tx.Identity(row.ID)
	case row.ExternalID != "":
		known, err = u.tx.IdentityByExternal(connection, row.ExternalID, false)
	}
	if errors.Is(err, workspace.ErrNotFound) && row.ID == "" && row.UserKey != "" {
		if known, err = u.tx.IdentityByUser(connection, row.UserKey); err == nil && row.ExternalID != "" && known.ExternalID != row.ExternalID {
			return refuseEntry("OS2", "Another account of "+connection+" has the login name "+row.UserName+".",
				"Whoever runs the directory ends the other account, or an Admin or Owner sends an invitation."), nil
		}
	}
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		row.ID = ""
		return nil, nil
	case err != nil:
		return nil, err
	case known.Member != "":
		return refuseEntry("OS2", "This account is another member's.", "Sign in in the way you did before, or ask an Admin or Owner."), nil
	}
	row.ID = known.ID
	return nil, nil
}

// linkRecord stores the person's record at the connection where they signed
// in, linked with the member.
func (u *unit) linkRecord(row store.IdentityRow, connection, member string) effect {
	return func(tx *store.Tx) error {
		if row.ID != "" {
			return tx.LinkIdentity(row.ID, member)
		}
		row.ID, row.Connection, row.Member, row.Version = newID(), connection, member, 1
		row.CreatedAt, row.UpdatedAt = u.now, u.now
		if row.ObservedAt == 0 {
			row.ObservedAt = u.now
		}
		return tx.InsertIdentity(row)
	}
}

// buriedEvidence tells of a leaver with this address or one of these ids (I9):
// a tombstone holds by identity and by address, a mailbox that still answers
// notwithstanding (DC9).
func (u *unit) buriedEvidence(ev *Evidence, key string) (string, error) {
	values := []string{u.s.tombstoneValue(tombstoneEmail, "", key)}
	if domainOf(ev.UPN) != "" {
		values = append(values, u.s.tombstoneValue(tombstoneEmail, "", emailKey(ev.UPN)))
	}
	if ev.Subject != "" {
		values = append(values, u.s.tombstoneValue(tombstoneID, ev.Connection, ev.Subject))
	}
	if ev.DirectoryID != "" {
		values = append(values, u.s.tombstoneValue(tombstoneID, ev.Directory, ev.DirectoryID))
	}
	rows, err := u.tx.Tombstones(values)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return fmt.Sprintf("access was ended by %s on %s", rows[0].Cause, rows[0].At.Time().Format("2006-01-02")), nil
}

// refuseEntry is a ruling that turns somebody away.
func refuseEntry(rule, reason, remedy string) *workspace.Decision {
	return &workspace.Decision{Verdict: workspace.Deny, Row: workspace.MemberInvite, Rule: rule, Reason: reason, Remedy: remedy}
}

// entryRuling is what sources section 10 says of a wish to join; nil leaves it
// to the role matrix and the invariants alone. A leaver is turned away by I9
// whatever else holds.
func (u *unit) entryRuling(e *Edit, key string) (*workspace.Decision, error) {
	ev := &e.Enter.Evidence
	domain := domainOf(key)
	known, err := u.memberByEmail(key)
	if err != nil {
		return nil, err
	}
	if known != nil {
		return refuseEntry("I9", known.Email+" is known here and has no access now.", "An Admin or Owner restores the member, or the directory states them enabled."), nil
	}
	if ruling, err := u.coverage(domain); ruling != nil || err != nil {
		return ruling, err
	}
	p := proof{Evidence: *ev, domain: domain, conn: u.s.conns[ev.Connection], bound: u.vouches(ev.Connection, domain)}
	record, ruling, err := u.directoryRecord(&p, key)
	if ruling != nil || err != nil {
		return ruling, err
	}
	if p.conn.Mode == ModeObserve {
		return refuseEntry(RuleObserve, "The connection "+p.conn.ID+" only observes (mode: observe): nobody joins by it.", "An Admin or Owner sets mode: live."), nil
	}
	if ev.Guest || strings.Contains(strings.ToUpper(ev.UPN), "#EXT#") {
		return refuseEntry("DC7", "Guests of a directory do not join by its domain.", "An Admin or Owner sends an invitation."), nil
	}
	row, why := p.counts(u.s.cfg.Domains.Evidence)
	if !ev.At.IsZero() && !u.queued && u.b.Kind == RunJoin && u.now.Time().Sub(ev.At) > evidenceFor {
		row, why = "", "it was proved too long ago"
	}
	if row == "" {
		return refuseEntry("DC7", "The address "+ev.Email+" is not proved: "+why+".", "Sign in with the account that "+domain+" gave you, or ask an Admin or Owner for an invitation."), nil
	}
	u.entered.row = row
	if record == nil && u.s.conns[ev.Connection].SignIn.Every == 0 {
		u.notices = append(u.notices, ev.Email+" will have no deprovisioning path: nobody tells when this person's job ends (an administrator lists such people with rollcall members list --no-path)")
	}
	if ruling, err := u.excludedEntry(e, record); ruling != nil || err != nil {
		return ruling, err
	}
	switch u.s.cfg.Domains.AutoJoin {
	case AutoJoinOff:
		return refuseEntry("DOM-CLAIM", "This workspace does not take people in by their domain (claimed_domains.auto_join: off).", "Ask an Admin or Owner for an invitation."), nil
	case AutoJoinRequest:
		return &workspace.Decision{
			Verdict: workspace.Hold, Row: workspace.MemberInvite, Rule: "DOM-CLAIM", Approvers: workspace.RoleAdmin,
			Reason: "Who joins by domain is taken in by a person here (claimed_domains.auto_join: request).", Remedy: "An Admin or Owner approves the plan.",
		}, nil
	}
	return nil, nil
}

// vouches reports whether a connection is bound to a domain (DC7).
func (u *unit) vouches(connection, domain string) bool {
	return slices.ContainsFunc(u.s.conns[connection].Domains, func(d string) bool { return fold.Domain(d) == domain })
}

// directoryRecord looks for the person in the directories that are
// authoritative for the domain: while there is one, only people whom it states
// as present and enabled join (DC9). A directory is one if it is bound to the
// domain or has people in it.
func (u *unit) directoryRecord(p *proof, key string) (*workspace.Identity, *workspace.Decision, error) {
	authoritative := false
	var disabled string
	for _, id := range sortedKeys(u.s.conns) {
		if !u.s.conns[id].directory() {
			continue
		}
		answers, err := u.answersFor(id, p.domain)
		if err != nil {
			return nil, nil, err
		}
		if !answers {
			continue
		}
		authoritative = true
		record, err := u.recordAt(p, id, key)
		switch {
		case errors.Is(err, workspace.ErrNotFound):
			continue
		case err != nil:
			return nil, nil, err
		case !record.Active:
			disabled = id
			continue
		}
		if guest, _ := record.Attributes.First("guest"); guest == "true" {
			return nil, refuseEntry("DC7", "Guests of a directory do not join by its domain.", "An Admin or Owner sends an invitation."), nil
		}
		p.record = u.vouches(id, p.domain) && p.Directory == id && p.DirectoryID != "" // recordAt has found that very one
		return &record, nil, nil
	}
	switch {
	case disabled != "":
		return nil, refuseEntry("DC9", "Directory "+disabled+" states "+p.Email+" as disabled.", "The directory states the person as enabled again."), nil
	case authoritative:
		return nil, refuseEntry("DC9", "The directory that answers for "+p.domain+" does not know "+p.Email+".", "The directory adds the person, or an Admin or Owner sends an invitation."), nil
	}
	return nil, nil, nil
}

// answersFor reports whether a directory is authoritative for a domain.
func (u *unit) answersFor(connection, domain string) (bool, error) {
	if u.vouches(connection, domain) {
		return true, nil
	}
	return u.tx.States(connection, domain)
}

// recordAt finds the person's record at a directory, by id if the evidence
// names one there, else by address; an enabled one first.
func (u *unit) recordAt(p *proof, connection, key string) (workspace.Identity, error) {
	if p.Directory == connection && p.DirectoryID != "" {
		record, err := u.tx.IdentityByExternal(connection, p.DirectoryID, false)
		if err == nil && emailKey(record.Email) != key {
			return workspace.Identity{}, workspace.ErrNotFound
		}
		return record, err
	}
	all, err := u.tx.IdentitiesByEmail(connection, key)
	if err != nil || len(all) == 0 {
		return workspace.Identity{}, cmp.Or(err, workspace.ErrNotFound)
	}
	return all[max(0, slices.IndexFunc(all, func(i workspace.Identity) bool { return i.Active }))], nil
}

// directory reports whether a connection states who exists: everything but
// sign-in alone and programs.
func (c Connection) directory() bool { return c.Kind != "api" && (c.Kind != "oidc" || c.Reads) }

// excludedEntry asks the mapping whether the person exists for Rollcall at
// all, and whether they are plainly not eligible. What no attribute says is
// unknown and keeps nobody out (I14).
func (u *unit) excludedEntry(e *Edit, record *workspace.Identity) (*workspace.Decision, error) {
	ev := &e.Enter.Evidence
	i := workspace.Identity{
		Connection: ev.Connection, ExternalID: ev.Subject, UserName: orElse(ev.UPN, ev.Email), Email: ev.Email, Name: e.Name, Active: true,
		Attributes: workspace.Attributes{"userName": {orElse(ev.UPN, ev.Email)}, "email": {ev.Email}, "displayName": {orElse(e.Name, ev.Email)}, "active": {"true"}},
	}
	if record != nil {
		i = *record
	}
	p := &person{live: []workspace.Identity{i}, trigger: i}
	if err := u.evaluate(p); err != nil {
		return nil, err
	}
	switch {
	case p.want.Excluded:
		return refuseEntry("exclude", "The mapping excludes "+ev.Email+".", "Whoever writes the mapping changes its exclude section."), nil
	case p.want.Member == mapping.False:
		return refuseEntry("eligible", "The mapping's row "+orElse(p.want.MemberBy, "eligible")+" says that "+ev.Email+" is no member.", "Whoever writes the mapping changes its eligible row."), nil
	}
	return nil, nil
}

// seatPrice is what one more seat costs now (R30).
func (u *unit) seatPrice() Price {
	plan, err := workspace.ParsePlan(u.standing.Plan)
	if err != nil {
		plan = workspace.PlanBusiness
	}
	was := u.standing.Totals
	is := was
	is.Active++
	is.Seats++
	b := workspace.Effect(was, is, plan, workspace.Period{First: u.standing.PeriodFrom.Time(), Last: u.standing.PeriodTo.Time()}, u.now.Time().In(u.s.location))
	return Price{Monthly: int64(b.MonthlyAfter - b.MonthlyBefore), Charge: int64(b.Charge)}
}
