package sync

import (
	"time"
)

// AutoJoin is what becomes of people with an address on a claimed domain.
type AutoJoin string

// The ways of joining by domain.
const (
	AutoJoinOn      AutoJoin = "join"    // at once, as Member
	AutoJoinRequest AutoJoin = "request" // when an Owner or Admin agrees
	AutoJoinOff     AutoJoin = "off"
)

// DomainTerms are a workspace's terms of claimed domains. The claims
// themselves live in the store. The zero value is the defaults.
type DomainTerms struct {
	// AutoJoin is join if left out.
	AutoJoin AutoJoin `yaml:"auto_join"`
	// Evidence lists the rows of DC7 that count; nil is directory, hd and
	// mailbox_code.
	Evidence []EvidenceRow `yaml:"evidence"`
	// Subdomains: a claim covers the names below it too (DC5).
	Subdomains bool     `yaml:"include_subdomains"`
	Reverify   Reverify `yaml:"reverify"`
	// PublicMail adds to the built-in list of public mail domains, which
	// cannot be shortened (DC4).
	PublicMail []string `yaml:"public_mail"`
	// Reserved admits names such as acme.test, for trials.
	Reserved bool `yaml:"allow_reserved"`
}

// Reverify says how often the proof in DNS is looked for, and what becomes of
// a claim without it (DC2). The zero value is the defaults.
type Reverify struct {
	Every        time.Duration `yaml:"every"`
	LapsingAfter time.Duration `yaml:"lapsing_after"`
	OffAfter     time.Duration `yaml:"off_after"`
	// Resolver is host:port of the DNS server to ask; "" is the system's.
	Resolver string `yaml:"resolver"`
}

// WithDefaults fills what is left out.
func (t DomainTerms) WithDefaults() DomainTerms {
	if t.AutoJoin == "" {
		t.AutoJoin = AutoJoinOn
	}
	if t.Evidence == nil {
		t.Evidence = []EvidenceRow{ByDirectory, ByHostedDomain, ByMailboxCode}
	}
	r := &t.Reverify
	if r.Every == 0 {
		r.Every = 24 * time.Hour
	}
	if r.LapsingAfter == 0 {
		r.LapsingAfter = 72 * time.Hour
	}
	if r.OffAfter == 0 {
		r.OffAfter = 336 * time.Hour
	}
	return t
}
