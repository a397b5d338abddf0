package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/internal/claim"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// proveWithin is how long a person has to publish the record (DC1), and a
// holder to prove a contested domain again (DC3).
const proveWithin = workspace.Micros(7 * 24 * 60 * 60 * 1_000_000)

// Finding is what a look into DNS has shown, and when it began.
type Finding struct {
	claim.Finding
	At workspace.Micros `json:"at"`
}

// RecordName is where the record that proves a domain stands in DNS.
func RecordName(domain string) string { return claim.RecordName(domain) }

// ShowDomain writes a domain for people: with its Unicode form if that
// differs (DC6).
func ShowDomain(domain string) string { return claim.Show(domain).String() }

// DomainWarnings tells what a person should look at before trusting a domain,
// given the others that the workspace has to do with.
func DomainWarnings(domain string, known []string) []string {
	return claim.Warnings(claim.Show(domain), known)
}

// domainRef names a claim in reports.
func domainRef(domain string) workspace.Ref {
	return workspace.Ref{Type: "domain", ID: domain, Label: ShowDomain(domain)}
}

// planDomainEdit plans what a person does about a claim. The rule DOM-CLAIM
// judges who may.
func (u *unit) planDomainEdit(e *Edit) error {
	name, err := claim.Parse(e.Domain)
	if err != nil {
		return &EditError{Field: "domain", Reason: err.Error(), Remedy: "give a domain such as acme.com"}
	}
	now, err := u.tx.Domain(name.ASCII)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		if e.Kind == EditClaim {
			return u.planClaim(e, name, nil)
		}
		return &EditError{Field: "domain", Reason: name.String() + " is not claimed here", Remedy: "claim it first, or name one that is claimed"}
	case err != nil:
		return err
	}
	u.view.Domains[name.ASCII] = &now
	switch e.Kind {
	case EditClaim:
		return u.planClaim(e, name, &now)
	case EditVerify:
		return u.planVerify(e, &now)
	default:
		u.addDomain(workspace.DomainRelease, &now, nil, u.editCause(e, "correction"))
		return nil
	}
}

// addDomain puts a change of a claim on the plan.
func (u *unit) addDomain(kind workspace.ChangeKind, before, after *workspace.DomainClaim, c workspace.Cause) {
	change := workspace.Change{Kind: kind, Cause: c}
	if before != nil {
		change.Subject, change.Before = domainRef(before.Domain), *before
	}
	if after != nil {
		change.Subject, change.After = domainRef(after.Domain), *after
	}
	u.add(planned{Change: change, person: "domain:" + change.Subject.ID})
}

// planClaim makes a claim, or makes one anew that has lapsed or was not proved
// in time: always with a new challenge (DC2). An unproved claim stands in
// nobody's way.
func (u *unit) planClaim(e *Edit, name claim.Name, now *workspace.DomainClaim) error {
	if why := claim.Refusal(name, u.claimRules()); why != "" {
		return &EditError{Field: "domain", Reason: why, Remedy: "claim a domain whose mailboxes your company alone gives out"}
	}
	over := now == nil || now.State == workspace.DomainLapsed || now.State == workspace.DomainPending && now.ChallengeAt+proveWithin <= u.now
	if !over {
		return &EditError{
			Field: "domain", Settled: true, Reason: fmt.Sprintf("%s is claimed here already (%s)", name, now.State),
			Remedy: "publish the record of that claim and verify it, or release it first",
		}
	}
	known, err := u.knownDomains()
	if err != nil {
		return err
	}
	u.notices = append(u.notices, claim.Warnings(name, known)...)
	after := workspace.DomainClaim{
		Domain: name.ASCII, Claimer: u.actor.ID, State: workspace.DomainPending, ClaimedAt: u.now,
		Challenge: claim.NewChallenge(), ChallengeAt: u.now, DueAt: u.now + proveWithin, Version: 1,
	}
	if now != nil {
		after.Version = now.Version
	}
	u.addDomain(workspace.DomainClaimed, now, &after, u.editCause(e, "correction"))
	return nil
}

// claimRules are the refusals of this workspace and installation.
func (u *unit) claimRules() claim.Rules {
	t := &u.s.cfg.Domains
	return claim.Rules{PublicMail: t.PublicMail, Reserved: t.Reserved, Own: u.e.hosts}
}

// knownDomains are the names that a new one is compared with: claims, and
// where the Owners have their mail.
func (u *unit) knownDomains() ([]string, error) {
	claims, err := u.tx.Domains()
	if err != nil {
		return nil, err
	}
	var known []string
	for i := range claims {
		known = append(known, claims[i].Domain)
	}
	for i := range u.owners {
		known = append(known, domainOf(u.owners[i].EmailKey))
	}
	slices.Sort(known)
	return slices.Compact(known), nil
}

// planVerify judges the proof that was found for a person who asked for it.
func (u *unit) planVerify(e *Edit, now *workspace.DomainClaim) error {
	if u.actor.Role < workspace.RoleAdmin {
		// Nobody has looked for them; DOM-CLAIM says no.
		u.addDomain(workspace.DomainVerify, now, now, u.editCause(e, "correction"))
		return nil
	}
	f := e.Found
	switch {
	case now.State == workspace.DomainLapsed:
		return &EditError{Field: "domain", Settled: true, Reason: now.Domain + " has lapsed", Remedy: "claim it again"}
	case now.State == workspace.DomainPending && now.ChallengeAt+proveWithin <= u.now:
		return &EditError{Field: "domain", Settled: true, Reason: "the claim was not proved within 7 days", Remedy: "claim it again"}
	case f == nil || u.now-f.At > proveWithin:
		return &EditError{Field: "domain", Reason: "nobody has looked for the record lately", Remedy: "verify the domain again"}
	case f.Challenge != now.Challenge:
		return workspace.ErrStale // claimed anew meanwhile
	case f.Outcome != claim.Proved:
		return unproved(now, f)
	case now.Open() && !changedServers(now, f) && now.State == workspace.DomainVerified:
		return nil // known already
	}
	after, kind, err := u.proved(now, f)
	if err != nil || kind == "" {
		return err
	}
	u.addDomain(kind, now, &after, u.editCause(e, "correction"))
	return nil
}

// unproved tells a person what to publish.
func unproved(now *workspace.DomainClaim, f *Finding) error {
	reason := fmt.Sprintf("there is no TXT record %q at %s", now.Challenge, claim.RecordName(now.Domain))
	if f.Others > 0 {
		reason += fmt.Sprintf(" (%d others are there)", f.Others)
	}
	if f.Outcome == claim.Trouble {
		reason = f.Why + ": that is neither proof nor loss"
	}
	return &EditError{Field: "domain", Settled: true, Reason: reason, Remedy: "publish the record, wait until its zone has it, and verify again"}
}

// proved is a claim whose record was found. Where another workspace holds the
// domain the claim is contested instead: never a silent transfer (DC3).
func (u *unit) proved(now *workspace.DomainClaim, f *Finding) (after workspace.DomainClaim, kind workspace.ChangeKind, err error) {
	after = *now
	after.ProvedAt, after.CheckedAt, after.MissingSince, after.Fault = f.At, f.At, 0, ""
	after.DueAt = u.nextLook(now.Domain, u.s.cfg.Domains.Reverify.Every)
	if now.Holds() && changedServers(now, f) {
		u.rechallenge(&after, f, "the name servers have changed, and may be another owner's: the record must be published anew")
		return after, workspace.DomainRenew, nil
	}
	if len(f.Servers) > 0 {
		after.Servers = f.Servers
	}
	if after.VerifiedAt == 0 {
		after.VerifiedAt = u.now
	}
	after.State, kind = workspace.DomainVerified, workspace.DomainVerify
	if now.Holds() {
		// Whoever holds it has proved it again: a dispute is over.
		after.ContestedAt = 0
		if now.ContestedAt != 0 {
			return after, workspace.DomainRenew, nil
		}
		return after, kind, nil
	}
	holder, err := u.tx.DomainHolder(now.Domain)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		after.ContestedAt = 0
		return after, kind, nil
	case err != nil:
		return after, "", err
	case now.State == workspace.DomainContested:
		return after, "", nil // it waits for the holder
	}
	after.VerifiedAt, after.State, after.ContestedAt = 0, workspace.DomainContested, u.now
	if holder.ContestedAt != 0 {
		// A third workspace joins the dispute that is on: the new record that the
		// holder was asked for settles it for all of them, within the same seven
		// days. It is no old record: looked for every hour, it was not there yet.
		after.ContestedAt = holder.ContestedAt
	}
	after.DueAt = u.nextLook(now.Domain, time.Hour)
	after.Fault = "another workspace holds this domain; nobody joins by it until the holder has proved it again or lost it"
	u.contests = holder.Workspace
	return after, workspace.DomainContest, nil
}

// rechallenge gives a claim a new challenge.
func (u *unit) rechallenge(after *workspace.DomainClaim, f *Finding, why string) {
	after.Challenge, after.ChallengeAt, after.Fault = claim.NewChallenge(), u.now, why
	after.MissingSince = u.now
	after.DueAt = u.nextLook(after.Domain, time.Hour)
	if f != nil && len(f.Servers) > 0 {
		after.Servers = f.Servers
	}
}

// changedServers reports whether the domain's name servers are others than
// those that the present challenge was met with. What could not be read has
// not changed.
func changedServers(now *workspace.DomainClaim, f *Finding) bool {
	return len(now.Servers) > 0 && len(f.Servers) > 0 && !slices.Equal(now.Servers, f.Servers)
}

// nextLook is when a proof is looked for next: up to a tenth of the interval
// earlier or later, so that a thousand domains are not asked for at once.
func (u *unit) nextLook(domain string, every time.Duration) workspace.Micros {
	part := float64(jitter(u.s.cfg.ID+"/"+domain+"/"+u.now.String())) / float64(5*time.Second)
	spread := time.Duration(part * float64(every/10))
	return u.now + workspace.Micros((every - every/10 + 2*spread).Microseconds())
}

// DomainCheck is a person's wish to have a claim proved now.
type DomainCheck struct {
	Domain    string
	EditBatch // who asks, and how; Edits is left out
}

// VerifyDomain looks for the record that proves a claim, and puts what it
// found before the engine. A record that is not there, and trouble of the name
// server, is an *EditError that says what to publish; nothing changes by it.
func (e *Engine) VerifyDomain(ctx context.Context, c DomainCheck) (Result, error) {
	s, _, err := e.space(c.Workspace, "")
	if err != nil {
		return Result{}, err
	}
	name, err := claim.Parse(c.Domain)
	if err != nil {
		return Result{}, &EditError{Field: "domain", Reason: err.Error(), Remedy: "give a domain such as acme.com"}
	}
	var now workspace.DomainClaim
	asks := false // somebody who may have it looked for
	err = s.h.View(ctx, func(r *store.Reader) error {
		m, err := r.MemberByEmail(emailKey(c.As))
		if errors.Is(err, workspace.ErrNotFound) {
			m, err = r.Member(c.As)
		}
		if err != nil {
			return err
		}
		asks = m.Usable() && m.Role >= workspace.RoleAdmin
		now, err = r.Domain(name.ASCII)
		return err
	})
	if err != nil && !errors.Is(err, workspace.ErrNotFound) {
		return Result{}, err
	}
	edit := Edit{Kind: EditVerify, Domain: name.ASCII}
	if err == nil && asks && now.Challenge != "" {
		edit.Found = e.look(ctx, s, &now)
	}
	b := c.EditBatch
	b.Edits = []Edit{edit}
	res, err := e.Edit(ctx, b)
	if err != nil || res.contests == "" || b.DryRun {
		return res, err
	}
	if err := e.tellHolder(ctx, res.contests, name.ASCII); err != nil {
		// The verdict stands; the next look of the job tells it.
		e.log.Warn("the workspace that holds a contested domain was not told yet", "workspace", res.contests, "err", err)
	}
	return res, nil
}

// look asks DNS for a claim's proof, outside of any transaction.
func (e *Engine) look(ctx context.Context, s *space, now *workspace.DomainClaim) *Finding {
	at := workspace.At(e.now())
	return &Finding{Finding: s.resolver.Look(ctx, now.Domain, now.Challenge), At: at}
}

// writeDomains writes claims that differ from the old view.
func (u *unit) writeDomains(old *workspace.View) error {
	for _, id := range sortedKeys(u.view.Domains) {
		was, d := old.Domains[id], *u.view.Domains[id]
		if was == u.view.Domains[id] {
			continue
		}
		if was != nil {
			d.Version = was.Version + 1
		}
		if err := u.tx.PutDomain(d); err != nil {
			return err
		}
		u.view.Domains[id] = &d
	}
	for _, id := range sortedKeys(old.Domains) {
		if u.view.Domains[id] == nil {
			if err := u.tx.DeleteDomain(*old.Domains[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Claimant finds the workspace whose claim covers an address, by the longest
// claimed name (DC5); "" if nobody's does, or people may not join by it now.
func (e *Engine) Claimant(ctx context.Context, address string) (id, domain string, err error) {
	domain = domainOf(address)
	if domain == "" {
		return "", "", nil
	}
	err = e.anywhere().View(ctx, func(r *store.Reader) error {
		holder, err := covering(r, domain)
		if err != nil {
			return err
		}
		if s := e.spaces[holder.Workspace]; s != nil && (holder.Domain == domain || s.cfg.Domains.Subdomains) {
			id = holder.Workspace
		}
		return nil
	})
	return id, domain, err
}

// covering finds the longest name that anybody holds, of a domain and those
// above it; the zero value if nobody holds one.
func covering(r *store.Reader, domain string) (store.HeldDomain, error) {
	for _, name := range claim.Above(domain) {
		holder, err := r.DomainHolder(name)
		if err == nil || !errors.Is(err, workspace.ErrNotFound) {
			return holder, err
		}
	}
	return store.HeldDomain{}, nil
}

// coverage finds the claim that covers a domain; a ruling if there is none by
// which people join now.
func (u *unit) coverage(domain string) (*workspace.Decision, error) {
	const invitation = "Ask an Admin or Owner for an invitation."
	holder, err := covering(&u.tx.Reader, domain)
	if err != nil {
		return nil, err
	}
	switch {
	case holder.Workspace == "":
		return refuseEntry("DOM-CLAIM", "The domain "+ShowDomain(domain)+" is not claimed and verified here.", invitation), nil
	case holder.Workspace != u.s.cfg.ID:
		return refuseEntry("DC5", "The domain "+ShowDomain(holder.Domain)+" belongs to another workspace.", "Join that one, or ask an Admin or Owner here for an invitation."), nil
	case holder.Domain != domain && !u.s.cfg.Domains.Subdomains:
		return refuseEntry("DC5", "The claim on "+ShowDomain(holder.Domain)+" does not cover "+ShowDomain(domain)+" below it.", invitation), nil
	}
	rival, err := u.tx.DomainContested(holder.Domain)
	if err != nil {
		return nil, err
	}
	if rival != "" || holder.ContestedAt != 0 {
		return refuseEntry("DC3", "Another workspace has proved the domain "+ShowDomain(holder.Domain)+" too, so nobody joins by it until that is settled.", invitation), nil
	}
	held := holder.DomainClaim
	u.view.Domains[held.Domain] = &held
	u.entered.claim = held.Domain
	return nil, nil
}
