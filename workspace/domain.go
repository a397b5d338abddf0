package workspace

import "strings"

// DomainState is where a domain claim stands.
type DomainState string

// The states of a domain claim (sources section 10).
const (
	DomainPending  DomainState = "pending"  // not proved yet
	DomainVerified DomainState = "verified" // proved: people join by it
	DomainLapsing  DomainState = "lapsing"  // the proof is missing; people still join
	DomainLapsed   DomainState = "lapsed"   // nobody joins by it; claim it anew
	// DomainContested: proved, while another workspace holds the domain (DC3).
	DomainContested DomainState = "contested"
)

// DomainClaim is a workspace's claim on a mail domain.
type DomainClaim struct {
	Domain      string // ASCII form, lower case
	Claimer     string // member id
	State       DomainState
	Challenge   string // text of the DNS record that proves it
	ChallengeAt Micros // when that text was made
	ClaimedAt   Micros
	VerifiedAt  Micros // first proof of this claim, zero: none yet
	ProvedAt    Micros // when the record was seen last
	CheckedAt   Micros // when it was looked for last, whatever came of it
	// MissingSince is when the record was first found missing since it was
	// seen last; zero: it was not.
	MissingSince Micros
	// ContestedAt is when another workspace of this installation proved the
	// same domain; while it is set nobody joins by it in either (DC3). A third
	// one joins the dispute that is on, with the time when that began.
	ContestedAt Micros
	DueAt       Micros // when it is looked for next, zero: never
	// Servers are the name servers of the domain when the challenge was first
	// met: other servers may be another owner (DC2).
	Servers []string
	// Fault is what the last look has shown if it was no proof, in words.
	Fault   string
	Version int64
}

// Holds reports whether the claim is proved, and not merely contested.
func (d *DomainClaim) Holds() bool {
	return d != nil && (d.State == DomainVerified || d.State == DomainLapsing)
}

// Open reports whether people join by the claim now.
func (d *DomainClaim) Open() bool { return d.Holds() && d.ContestedAt == 0 }

// Covering finds the claim that a domain, given in ASCII form, falls under: its
// own, or with subdomains the longest above it (DC5). Pending, lapsed and
// contested claims cover nothing. It is nil if there is none.
func (v *View) Covering(domain string) *DomainClaim {
	for name := domain; name != ""; _, name, _ = strings.Cut(name, ".") {
		if d := v.Domains[name]; d.Holds() {
			return d
		}
		if !v.Subdomains {
			return nil
		}
	}
	return nil
}
