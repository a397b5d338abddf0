package store

import "github.com/rollcall-sync/rollcall/workspace"

const domainColumns = `domain, claimer, state, challenge, challenge_at, claimed_at, verified_at, proved_at, checked_at,
	missing_since, contested_at, due_at, servers, fault, version`

func scanDomain(s scanner, d *workspace.DomainClaim) error {
	var servers string
	err := s.Scan(&d.Domain, &d.Claimer, (*string)(&d.State), &d.Challenge, &d.ChallengeAt, &d.ClaimedAt, &d.VerifiedAt,
		&d.ProvedAt, &d.CheckedAt, &d.MissingSince, &d.ContestedAt, &d.DueAt, &servers, &d.Fault, &d.Version)
	if err != nil {
		return err
	}
	d.Servers, err = parseStrings(servers)
	return err
}

const (
	selectDomains = `SELECT ` + domainColumns + ` FROM domain_claim WHERE workspace_id = ? ORDER BY domain`
	selectDomain  = `SELECT ` + domainColumns + ` FROM domain_claim WHERE workspace_id = ? AND domain = ?{lock}`
	selectDue     = `SELECT ` + domainColumns + ` FROM domain_claim
		WHERE workspace_id = ? AND due_at > 0 AND due_at <= ? ORDER BY due_at, domain LIMIT ?`
	insertDomain = `INSERT INTO domain_claim (workspace_id, ` + domainColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateDomain = `UPDATE domain_claim SET claimer = ?, state = ?, challenge = ?, challenge_at = ?, claimed_at = ?,
		verified_at = ?, proved_at = ?, checked_at = ?, missing_since = ?, contested_at = ?, due_at = ?, servers = ?,
		fault = ?, version = ?
		WHERE workspace_id = ? AND domain = ? AND version = ?`
	// What a look into DNS has shown where nothing changes by it. It changes
	// nobody's rights and takes no version.
	sqlDomainSeen = `UPDATE domain_claim SET checked_at = ?, proved_at = ?, missing_since = ?, due_at = ?, servers = ?, fault = ?
		WHERE workspace_id = ? AND domain = ? AND version = ?`
	sqlDeleteDomain = `DELETE FROM domain_claim WHERE workspace_id = ? AND domain = ? AND version = ?`
	// The statements on claims of other workspaces: DC3 and DC5 ask who holds
	// a name in the whole installation, and for nothing else.
	selectDomainHolder = `SELECT workspace_id, ` + domainColumns + ` FROM domain_claim
		WHERE domain = ? AND state IN ('verified','lapsing')`
	selectDomainContested = `SELECT workspace_id FROM domain_claim
		WHERE domain = ? AND state = 'contested' ORDER BY workspace_id LIMIT 1`
)

// Domains lists the domain claims by name.
func (r *Reader) Domains() ([]workspace.DomainClaim, error) {
	return list(r, scanDomain, selectDomains, r.ws)
}

// Domain finds a claim by its name in ASCII form.
func (r *Reader) Domain(name string) (workspace.DomainClaim, error) {
	return single(r, scanDomain, selectDomain, r.ws, name)
}

// DueDomains lists claims whose proof is to be looked for, longest due first.
func (r *Reader) DueDomains(now workspace.Micros, limit int) ([]workspace.DomainClaim, error) {
	return list(r, scanDomain, selectDue, r.ws, now, limit)
}

// HeldDomain is a proved claim with the workspace that holds it.
type HeldDomain struct {
	Workspace string
	workspace.DomainClaim
}

// DomainHolder finds the claim that holds a domain in this installation, in
// whatever workspace.
func (r *Reader) DomainHolder(domain string) (HeldDomain, error) {
	scan := func(s scanner, h *HeldDomain) error {
		return scanDomain(before{s, &h.Workspace}, &h.DomainClaim)
	}
	return single(r, scan, selectDomainHolder, domain)
}

// DomainContested tells a workspace that has proved a domain which another
// one holds, "" if there is none.
func (r *Reader) DomainContested(domain string) (string, error) {
	all, err := list(r, func(s scanner, id *string) error { return s.Scan(id) }, selectDomainContested, domain)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0], nil
}

// before scans one more column ahead of the others.
type before struct {
	scanner
	first *string
}

// Scan implements scanner.
func (b before) Scan(into ...any) error { return b.scanner.Scan(append([]any{b.first}, into...)...) }

// PutDomain inserts (Version 1) or replaces (compare-and-swap on version-1) a
// claim. A second workspace that would hold the domain is a *ConflictError
// with Key "holder".
func (t *Tx) PutDomain(d workspace.DomainClaim) error {
	t.none.domains = false
	servers := appendStrings(nil, d.Servers)
	if d.Version == 1 {
		return t.exec(insertDomain, t.ws, d.Domain, d.Claimer, string(d.State), d.Challenge, d.ChallengeAt, d.ClaimedAt,
			d.VerifiedAt, d.ProvedAt, d.CheckedAt, d.MissingSince, d.ContestedAt, d.DueAt, servers, d.Fault, d.Version)
	}
	return t.swap(updateDomain, d.Claimer, string(d.State), d.Challenge, d.ChallengeAt, d.ClaimedAt, d.VerifiedAt, d.ProvedAt,
		d.CheckedAt, d.MissingSince, d.ContestedAt, d.DueAt, servers, d.Fault, d.Version, t.ws, d.Domain, d.Version-1)
}

// SeeDomain notes what a look has shown; workspace.ErrStale if the claim has
// changed since it was read.
func (t *Tx) SeeDomain(d workspace.DomainClaim) error {
	return t.swap(sqlDomainSeen, d.CheckedAt, d.ProvedAt, d.MissingSince, d.DueAt, appendStrings(nil, d.Servers), d.Fault,
		t.ws, d.Domain, d.Version)
}

// DeleteDomain ends a claim; workspace.ErrStale if it has changed since.
func (t *Tx) DeleteDomain(d workspace.DomainClaim) error {
	return t.swap(sqlDeleteDomain, t.ws, d.Domain, d.Version)
}
