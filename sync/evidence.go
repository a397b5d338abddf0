package sync

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

// Evidence is what somebody has verified of a person's address: the claims of
// an ID token whose signature, issuer, audience and nonce hold, or a code that
// came back from the mailbox. What was not stated is the zero value, and
// counts for nothing.
type Evidence struct {
	// Email is the address as stated.
	Email string `json:"email"`
	// At is when it was verified; the zero time is now. Evidence counts for
	// ten minutes, unless a person decides on it.
	At time.Time `json:"at,omitzero"`

	// Connection is where the person signed in, "" for a mailbox code.
	Connection string `json:"connection,omitempty"`
	// Subject is the person's immutable id there, as an identity of that
	// connection has it (sub; oid of Entra).
	Subject string `json:"subject,omitempty"`
	// Directory and DirectoryID name the person's record in a directory that
	// the workspace reads, "" if the provider has none.
	Directory   string `json:"directory,omitempty"`
	DirectoryID string `json:"directory_id,omitempty"`
	// EmailVerified: email_verified is true or "true".
	EmailVerified bool `json:"email_verified,omitempty"`
	// HostedDomain is Google's hd.
	HostedDomain string `json:"hd,omitempty"`
	// Tenant is Entra's tid; TenantDomains are the domains that Graph lists as
	// verified for it; UPN is preferred_username or upn; EDOV is xms_edov.
	Tenant        string   `json:"tid,omitempty"`
	TenantDomains []string `json:"tenant_domains,omitempty"`
	UPN           string   `json:"upn,omitempty"`
	EDOV          bool     `json:"xms_edov,omitempty"`
	// Guest: the token says so (userType, acct, idtyp of a foreign tenant).
	Guest bool `json:"guest,omitempty"`

	// Mailbox: the person sent back the code that was mailed to Email.
	Mailbox bool `json:"mailbox,omitempty"`
}

// Provider is whose rules of evidence a connection's tokens follow (DC7).
type Provider string

// The providers; any other is judged by email_verified.
const (
	ProviderGoogle Provider = "google"
	ProviderEntra  Provider = "entra"
	ProviderOther  Provider = ""
)

// ProviderOf tells the provider by its issuer, so that no setting can have
// Google's or Entra's tokens judged by looser rules.
func ProviderOf(issuer string) Provider {
	host, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(issuer)), "https://")
	if !ok {
		host = strings.ToLower(strings.TrimSpace(issuer))
	}
	host, _, _ = strings.Cut(host, "/")
	switch host {
	case "accounts.google.com":
		return ProviderGoogle
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.windows.net":
		return ProviderEntra
	}
	return ProviderOther
}

// EvidenceRow names a row of the table of DC7.
type EvidenceRow string

// The rows of DC7, best first.
const (
	ByDirectory     EvidenceRow = "directory"      // an enabled record of a bound directory, no guest
	ByHostedDomain  EvidenceRow = "hd"             // Google: hd is the domain, and email_verified
	ByTenant        EvidenceRow = "upn"            // Entra: pinned tenant, UPN in a domain it has verified
	ByVerifiedClaim EvidenceRow = "verified_claim" // other providers: email_verified, where trust_email allows it
	ByMailboxCode   EvidenceRow = "mailbox_code"   // a code that came back from the mailbox
)

// EvidenceRows lists the rows that a configuration may name.
func EvidenceRows() []EvidenceRow {
	return []EvidenceRow{ByDirectory, ByHostedDomain, ByTenant, ByVerifiedClaim, ByMailboxCode}
}

// evidenceFor is how long evidence counts.
const evidenceFor = 10 * time.Minute

// proof is evidence beside what the engine knows itself.
type proof struct {
	Evidence
	domain string // of the address, in ASCII form
	conn   Connection
	bound  bool // the connection may vouch for the domain
	record bool // the directory has an enabled record with this very id and address, and is bound
}

// tokenRow is the row that a provider's tokens are judged by.
func (p *proof) tokenRow() (row EvidenceRow, why string) {
	switch p.conn.Provider {
	case ProviderGoogle:
		return ByHostedDomain, p.hosted()
	case ProviderEntra:
		return ByTenant, p.tenant()
	default:
		return ByVerifiedClaim, p.verified()
	}
}

// counts finds the best row of the table that the evidence satisfies and the
// workspace admits. Why says what is missing when there is none.
func (p *proof) counts(admitted []EvidenceRow) (row EvidenceRow, why string) {
	if p.Mailbox {
		if !slices.Contains(admitted, ByMailboxCode) {
			return "", "codes by mail are not admitted here (claimed_domains.evidence)"
		}
		return ByMailboxCode, ""
	}
	switch {
	case p.Connection == "":
		return "", "nobody has verified it"
	case !p.bound:
		return "", fmt.Sprintf("connection %s is not bound to the domain %s (its key domains)", p.Connection, p.domain)
	case p.record && slices.Contains(admitted, ByDirectory):
		return ByDirectory, ""
	}
	row, why = p.tokenRow()
	if why == "" && !slices.Contains(admitted, row) {
		why = "evidence " + string(row) + " is not admitted here (claimed_domains.evidence)"
	}
	if why != "" {
		return "", why
	}
	return row, ""
}

// hosted is Google's row. A private account on a work address has no hd, and
// outlives the job.
func (p *proof) hosted() string {
	switch {
	case p.conn.TrustEmail != TrustHostedDomain:
		return "connection " + p.conn.ID + " is not trusted about addresses (trust_email: hd)"
	case p.HostedDomain == "":
		return "the Google account is a private one: its token has no hd, and such an account outlives the job"
	case fold.Domain(p.HostedDomain) != p.domain:
		return "the Google account belongs to " + fold.Domain(p.HostedDomain) + ", not to " + p.domain
	case !p.EmailVerified:
		return "Google has not verified the address (email_verified)"
	}
	return ""
}

// tenant is Entra's row. The claim email is mutable and unverified there, and
// counts for nothing; xms_edov only ever adds to the rest.
func (p *proof) tenant() string {
	switch {
	case p.conn.Tenant == "":
		return "connection " + p.conn.ID + " pins no tenant"
	case p.Tenant != p.conn.Tenant:
		return "the token is of another Entra tenant than connection " + p.conn.ID + " pins"
	case domainOf(p.UPN) == "":
		return "the token has no user principal name, and Entra's claim email proves nothing"
	case emailKey(p.UPN) != emailKey(p.Email):
		return "the address is not the user principal name, and Entra's claim email proves nothing"
	case !slices.ContainsFunc(p.TenantDomains, func(d string) bool { return fold.Domain(d) == p.domain }):
		return "the tenant does not list " + p.domain + " among its verified domains"
	case p.conn.TrustEmail == TrustEDOV && !p.EDOV:
		return "xms_edov is not true"
	}
	return ""
}

// verified is the row of all other providers.
func (p *proof) verified() string {
	switch {
	case p.conn.TrustEmail != TrustVerifiedClaim:
		return "connection " + p.conn.ID + " is not trusted about addresses (trust_email)"
	case !p.EmailVerified:
		return "the provider has not verified the address (email_verified)"
	}
	return ""
}

// The values of a connection's trust_email.
const (
	TrustNever         = "never"
	TrustVerifiedClaim = "verified_claim"
	TrustEDOV          = "xms_edov"
	TrustHostedDomain  = "hd"
)
