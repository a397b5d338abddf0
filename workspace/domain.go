package workspace

// DomainState is where a domain claim stands.
type DomainState string

// The states of a domain claim (sources section 10).
const (
	DomainPending  DomainState = "pending"
	DomainVerified DomainState = "verified"
	DomainLapsing  DomainState = "lapsing"
	DomainLapsed   DomainState = "lapsed"
)

// DomainClaim is a workspace's claim on a mail domain.
type DomainClaim struct {
	Domain     string // ASCII form, lower case
	Claimer    string // member id
	State      DomainState
	Challenge  string // text of the DNS record that proves it
	ClaimedAt  Micros
	VerifiedAt Micros
	CheckedAt  Micros
	Version    int64
}
