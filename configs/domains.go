package configs

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/claim"
	"github.com/rollcall-sync/rollcall/internal/mail"
	"github.com/rollcall-sync/rollcall/sync"
)

// domains judges the terms of claimed domains, and which of them connections
// may vouch for.
func (j *judge) domains(path string, w *Workspace) {
	t := &w.Domains
	at := path + ".claimed_domains"
	switch t.AutoJoin {
	case sync.AutoJoinOn, sync.AutoJoinRequest, sync.AutoJoinOff:
	default:
		j.addf(at+".auto_join", "%q is no way of joining: use join, request or off", t.AutoJoin)
	}
	if len(t.Evidence) == 0 {
		j.addf(at+".evidence", "is empty, and nobody could prove an address: write auto_join: off to take nobody in")
	}
	var rows []string
	for _, row := range sync.EvidenceRows() {
		rows = append(rows, string(row))
	}
	seen := map[sync.EvidenceRow]bool{}
	for i, row := range t.Evidence {
		switch key := fmt.Sprintf("%s.evidence[%d]", at, i); {
		case !slices.Contains(rows, string(row)):
			j.addf(key, "unknown evidence %q%s", row, remedyFor(string(row), rows))
		case seen[row]:
			j.addf(key, "%s stands twice: remove one", row)
		}
		seen[row] = true
	}
	r := &t.Reverify
	if r.Every < time.Hour || r.Every > 7*day {
		j.addf(at+".reverify.every", "is %s: write a time from 1h to 7d", r.Every)
	}
	if r.LapsingAfter < r.Every || r.LapsingAfter > r.OffAfter {
		j.addf(at+".reverify.lapsing_after", "must lie between every and off_after: write 72h")
	}
	if r.OffAfter < day || r.OffAfter > 90*day {
		j.addf(at+".reverify.off_after", "is %s: write a time from 1d to 90d", r.OffAfter)
	}
	if r.Resolver != "" {
		if host, _, err := net.SplitHostPort(r.Resolver); err != nil || host == "" {
			j.addf(at+".reverify.resolver", "%q is no address: write host and port, such as 127.0.0.1:53, or leave it out for the system's", r.Resolver)
		}
	}
	j.domainNames(at+".public_mail", t.PublicMail)
	for i := range w.Connections {
		c := &w.Connections[i]
		key := fmt.Sprintf("%s.connections[%d].domains", path, i)
		if c.Kind == kindAPI && len(c.Domains) > 0 {
			j.addf(key, "has no meaning for kind api: programs vouch for nobody's address")
			continue
		}
		j.domainNames(key, c.Domains)
	}
}

// mail judges the mail server.
func (j *judge) mail(c *Config) {
	for _, err := range c.Mail.Validate() {
		var key *mail.KeyError
		if errors.As(err, &key) {
			j.addf(key.Path, "%s", key.Text)
		}
	}
}

func (j *judge) domainNames(path string, names []string) {
	seen := map[string]bool{}
	for i, text := range names {
		at := fmt.Sprintf("%s[%d]", path, i)
		n, err := claim.Parse(text)
		switch {
		case err != nil:
			j.addf(at, "%v", err)
		case seen[n.ASCII]:
			j.addf(at, "%s stands twice: remove one", n)
		}
		seen[n.ASCII] = true
	}
}

// OwnHosts lists the names of this installation itself, which nobody claims
// (DC4).
func (c *Config) OwnHosts() []string {
	var hosts []string
	for _, text := range []string{c.PublicURL, "//" + c.Listen} {
		_, rest, _ := strings.Cut(text, "//")
		host, _, err := net.SplitHostPort(rest)
		if err != nil {
			host = rest
		}
		if host = strings.Trim(host, "/"); host != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
