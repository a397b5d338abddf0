package configs

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// Push are the keys of a connection of kind scim beside profile and rate.
type Push struct {
	// Networks are the addresses and CIDR ranges that this connection's tokens
	// may be used from; none is anywhere. A token may name narrower ones.
	Networks  []string  `yaml:"networks"`
	Overrides Overrides `yaml:"overrides"`
	// Tokens lets clients in with the access tokens that another authorization
	// server issues to them, beside the tokens that Rollcall makes.
	Tokens oidc.AccessTokenConfig `yaml:"tokens"`
}

// Overrides replace switches of the profile.
type Overrides struct {
	// Quiet is how long what was done is not told to anybody yet, but for what
	// ends access; unset is the profile's.
	Quiet Delay `yaml:"quiet"`
}

// Delay is a length of time that may be left out.
type Delay struct {
	Set bool
	For time.Duration
}

// UnmarshalText reads a length of time.
func (d *Delay) UnmarshalText(text []byte) error {
	length, err := ParseDuration(string(text))
	*d = Delay{Set: err == nil, For: length}
	return err
}

// Requests are the terms of the record of SCIM requests: what
// `rollcall requests` shows.
type Requests struct {
	// Keep is how long a request is remembered; 0 records none.
	Keep time.Duration `yaml:"keep"`
	// Most is how many requests of one connection are remembered.
	Most int `yaml:"most"`
}

// maxQuiet is the longest time that may be told late: the dispatcher takes a
// line that is due much later for one that a wrong clock put off.
const maxQuiet = 12 * time.Hour

// push judges a connection of kind scim.
func (j *judge) push(path string, p *Push) {
	for i, text := range p.Networks {
		if _, err := ParseProxy(text); err != nil {
			j.addf(fmt.Sprintf("%s.networks[%d]", path, i), "%v", err)
		}
	}
	if q := p.Overrides.Quiet; q.For > maxQuiet {
		j.addf(path+".overrides.quiet", "is %s: write a time from 0s to %s", q.For, maxQuiet)
	}
	if p.Tokens.Has() {
		for _, err := range p.Tokens.Validate() {
			key, text, _ := strings.Cut(err.Error(), ": ")
			j.addf(path+".tokens."+key, "%s", text)
		}
	}
}

// issuedTokens judges the access tokens of other servers over all workspaces:
// a token must lead to one connection alone (SX02).
func (j *judge) issuedTokens(c *Config) {
	type client struct{ issuer, audience, subject string }
	seen := map[client]string{}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		for k := range w.Connections {
			t := &w.Connections[k].Tokens
			for n, subject := range t.Subjects {
				one := client{t.Issuer, t.Audience, subject}
				if other, twice := seen[one]; twice && other != w.ID+" "+w.Connections[k].ID {
					j.addf(fmt.Sprintf("workspaces[%d].connections[%d].tokens.subjects[%d]", i, k, n),
						"%q is let in at connection %s too, and its token could mean both: give each connection its own client or audience", subject, other)
				}
				seen[one] = w.ID + " " + w.Connections[k].ID
			}
		}
	}
}

// mode judges the mode of a connection.
func (j *judge) mode(path, mode string) {
	if mode != sync.ModeLive && mode != sync.ModeObserve {
		j.addf(path+".mode", "unknown mode %q: use live, or observe to have everything stored and reported and nothing changed", mode)
	}
}

// requests judges the record of requests.
func (j *judge) requests(path string, r *Requests) {
	if r.Keep > 365*day {
		j.addf(path+".keep", "is longer than 365d: requests hold personal data; write a time from 0s (none are recorded) to 365d")
	}
	if r.Most < 1 || r.Most > 10_000_000 {
		j.addf(path+".most", "is %d: write a number from 1 to 10000000", r.Most)
	}
}
