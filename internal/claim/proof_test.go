package claim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/claim"
	"github.com/rollcall-sync/rollcall/internal/dnstest"
)

const record = "_rollcall-challenge.acme.org"

// TestProof is DC1 and the part of DC2 about trouble, against a DNS server
// that is asked over the network.
func TestProof(t *testing.T) {
	t.Parallel()
	token := claim.NewChallenge()
	many := make([][]string, 0, 300)
	for i := range 300 {
		many = append(many, []string{fmt.Sprintf("rollcall-verification=%03d%s", i, strings.Repeat("x", 100))})
	}
	huge := [][]string{{strings.Repeat("a", 255), strings.Repeat("b", 255), strings.Repeat("c", 255)}}
	for name, c := range map[string]struct {
		records [][]string
		fault   dnstest.Fault
		want    claim.Outcome
	}{
		"published":            {records: [][]string{{token}}, want: claim.Proved},
		"in chunks":            {records: [][]string{{token[:5], token[5:20], token[20:]}}, want: claim.Proved},
		"beside others":        {records: [][]string{{"v=spf1 -all"}, {token}, {"rollcall-verification=old"}}, want: claim.Proved},
		"with spaces around":   {records: [][]string{{" " + token + " "}}, want: claim.Proved},
		"last of 301, by TCP":  {records: append(slices.Clone(many), []string{token}), want: claim.Proved},
		"300 others":           {records: many, want: claim.Missing},
		"a huge record":        {records: huge, want: claim.Missing},
		"token in a huge one":  {records: [][]string{{token, strings.Repeat(" ", 250), strings.Repeat(" ", 250)}}, want: claim.Missing},
		"another token":        {records: [][]string{{claim.NewChallenge()}}, want: claim.Missing},
		"a part of it":         {records: [][]string{{token[:len(token)-1]}}, want: claim.Missing},
		"two records joined":   {records: [][]string{{token[:9]}, {token[9:]}}, want: claim.Missing},
		"in capitals":          {records: [][]string{{strings.ToUpper(token)}}, want: claim.Missing},
		"no such name":         {want: claim.Missing},
		"SERVFAIL":             {records: [][]string{{token}}, fault: dnstest.ServFail, want: claim.Trouble},
		"REFUSED":              {records: [][]string{{token}}, fault: dnstest.Refused, want: claim.Trouble},
		"garbage":              {records: [][]string{{token}}, fault: dnstest.Garbage, want: claim.Trouble},
		"silence is no answer": {records: [][]string{{token}}, fault: dnstest.Silent, want: claim.Trouble},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dns := dnstest.New(t)
			dns.TXT(record, c.records...)
			dns.NS("acme.org", "NS2.provider.net", "ns1.provider.net")
			dns.Fail(record, c.fault)
			ctx := t.Context()
			if c.fault == dnstest.Silent || c.fault == dnstest.Garbage {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
				defer cancel()
			}
			f := claim.NewResolver(dns.Addr).Look(ctx, "acme.org", token)
			if f.Outcome != c.want || f.Challenge != token || (f.Why != "") != (c.want == claim.Trouble) {
				t.Errorf("%+v, want %s", f, c.want)
			}
			if c.want != claim.Trouble && !slices.Equal(f.Servers, []string{"ns1.provider.net", "ns2.provider.net"}) {
				t.Errorf("name servers: %q", f.Servers)
			}
		})
	}
}

// TestNameServers (DC2): those of the registered name count, in any order and
// letter case, and no more than a zone has.
func TestNameServers(t *testing.T) {
	t.Parallel()
	dns := dnstest.New(t)
	dns.NS("acme.org", "NS2.provider.net", "ns1.provider.net", "ns1.Provider.net")
	dns.NS("mail.acme.org", "ns.elsewhere.net")
	many := make([]string, 33)
	for i := range many {
		many[i] = fmt.Sprintf("n%d.x.net", i)
	}
	dns.NS("many.org", many...)
	r := claim.NewResolver(dns.Addr)
	for domain, want := range map[string][]string{
		"acme.org": {"ns1.provider.net", "ns2.provider.net"}, "mail.acme.org": {"ns1.provider.net", "ns2.provider.net"}, "many.org": nil, "none.org": nil,
	} {
		if got := r.Look(t.Context(), domain, claim.NewChallenge()).Servers; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
}

// TestNoNameServer: a resolver that is not there is trouble, and its address
// stays out of what people read.
func TestNoNameServer(t *testing.T) {
	t.Parallel()
	// Nobody serves names on port 1; a port that was free a moment ago may be
	// another test's by now.
	f := claim.NewResolver("127.0.0.1:1").Look(t.Context(), "acme.org", claim.NewChallenge())
	if f.Outcome != claim.Trouble || strings.Contains(f.Why, "127.0.0.1") {
		t.Errorf("%+v", f)
	}
}
