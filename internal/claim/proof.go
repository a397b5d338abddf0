package claim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Outcome is what a look into DNS has shown.
type Outcome string

// The outcomes. Trouble is neither proof nor loss (E4): a broken DNSSEC chain
// answers SERVFAIL like an overloaded server.
const (
	Proved  Outcome = "proved"
	Missing Outcome = "missing"
	Trouble Outcome = "trouble"
)

// Finding is what one look into DNS has shown about a domain.
type Finding struct {
	Outcome Outcome `json:"outcome"`
	// Challenge is the record that was looked for.
	Challenge string `json:"challenge"`
	// Others is how many other records stood at the name; Why says what went
	// wrong, in words without addresses.
	Others int    `json:"others,omitempty"`
	Why    string `json:"why,omitempty"`
	// Servers are the name servers of the registrable domain, sorted; nil if
	// they could not be read.
	Servers []string `json:"servers,omitempty"`
}

const (
	lookupTimeout = 15 * time.Second
	maxRecord     = 512 // bytes of one record that are looked at
	maxServers    = 32
)

// Resolver asks DNS for proofs. It is safe for concurrent use.
type Resolver struct {
	net *net.Resolver
}

// NewResolver asks the server at host:port, or with "" those of the system.
func NewResolver(server string) *Resolver {
	r := &net.Resolver{PreferGo: true, StrictErrors: true}
	if server != "" {
		r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server)
		}
	}
	return &Resolver{net: r}
}

// Look looks for the record that proves a claim, and for the name servers of
// the domain. Trouble is an outcome, not an error.
func (r *Resolver) Look(ctx context.Context, domain, challenge string) Finding {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	f := Finding{Outcome: Missing, Challenge: challenge}
	// The name is absolute: search domains of the host have no say.
	records, err := r.net.LookupTXT(ctx, RecordName(domain)+".")
	switch {
	case notThere(err):
	case err != nil:
		f.Outcome, f.Why = Trouble, whyDNS(err)
	}
	for _, text := range records {
		if len(text) <= maxRecord && strings.TrimSpace(text) == challenge {
			f.Outcome = Proved
		} else {
			f.Others++
		}
	}
	if f.Outcome == Proved {
		f.Why = ""
	}
	f.Servers = r.servers(ctx, Registrable(domain))
	return f
}

// servers reads the name servers of a domain; nil if they cannot be told.
func (r *Resolver) servers(ctx context.Context, domain string) []string {
	found, err := r.net.LookupNS(ctx, domain+".")
	if err != nil || len(found) == 0 || len(found) > maxServers {
		return nil
	}
	out := make([]string, 0, len(found))
	for _, ns := range found {
		out = append(out, strings.ToLower(strings.TrimSuffix(ns.Host, ".")))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// notThere reports whether the name server said that there is no such record:
// NXDOMAIN, or a name without TXT.
func notThere(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// whyDNS says what went wrong without the resolver's address.
func whyDNS(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return "the name server does not answer in time"
	case errors.As(err, &dns) && dns.IsTemporary:
		return "the name server fails (SERVFAIL; a broken DNSSEC chain looks the same)"
	case errors.As(err, &dns):
		return fmt.Sprintf("the name server cannot be asked: %s", dns.Err)
	}
	return "the name server cannot be asked"
}
