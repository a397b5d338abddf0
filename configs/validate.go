package configs

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/events"
	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// judge collects problems by key path.
type judge struct{ problems []*Problem }

func (j *judge) addf(path, format string, args ...any) {
	j.problems = append(j.problems, &Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// Validate returns every problem of a configuration, each with its key and
// what to write instead, without places; nil if there is none. It reads no
// file.
func (c *Config) Validate() []*Problem {
	j := &judge{}
	j.listeners(c)
	j.database(c)
	j.limits(&c.Limits)
	if !slices.Contains(levels, c.LogLevel) {
		j.addf("log_level", "unknown level %q: use %s", c.LogLevel, strings.Join(levels, ", "))
	}
	if len(c.Workspaces) == 0 {
		j.addf("workspaces", "no workspace: name at least one, with id, owners and connections")
	}
	seen := map[string]bool{}
	for i := range c.Workspaces {
		path := fmt.Sprintf("workspaces[%d]", i)
		j.name(path+".id", c.Workspaces[i].ID, seen)
		j.workspace(path, &c.Workspaces[i])
	}
	j.signIns(c)
	j.issuedTokens(c)
	j.mail(c)
	for _, err := range c.Events.Validate() {
		var key *events.KeyError
		if errors.As(err, &key) {
			j.addf(key.Path, "%s", key.Text)
		}
	}
	return j.problems
}

// namePattern is what ids of workspaces and connections look like: they stand
// in commands, log lines and keys.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func (j *judge) name(path, id string, seen map[string]bool) {
	switch {
	case id == "":
		j.addf(path, "is missing: give a short name that never changes, such as acme")
	case !namePattern.MatchString(id):
		j.addf(path, "%q is no id: use lower-case letters, digits, - and _, at most 63", id)
	case seen[id]:
		j.addf(path, "%q stands twice: give each its own id", id)
	}
	seen[id] = true
}

// loopback reports whether a host is this machine and nobody else's.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// address reads host:port; ok is false if a problem was noted.
func (j *judge) address(path, text string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		j.addf(path, "%q is no address: write host and port, such as 127.0.0.1:8080", text)
		return "", false
	}
	return host, true
}

func (j *judge) listeners(c *Config) {
	tls := c.TLS.Cert != "" || !c.TLS.Key.IsZero()
	if c.Listen == "" {
		j.addf("listen", "is missing: write an address such as 127.0.0.1:8080")
	} else if host, ok := j.address("listen", c.Listen); ok && !loopback(host) {
		if !tls && len(c.TrustedProxies) == 0 {
			j.addf("listen", "%s is not loopback, and bearer tokens must not travel in the clear: add tls: {cert, key}, or name the "+
				"proxy in front in trusted_proxies", c.Listen)
		}
		if c.PublicURL == "" {
			j.addf("public_url", "is missing: off loopback, write the URL that identity providers are given, such as "+
				"https://rollcall.acme.com")
		}
	}
	if c.AdminListen != "" {
		if host, ok := j.address("admin_listen", c.AdminListen); ok && !loopback(host) {
			j.addf("admin_listen", "%s is not loopback, and pprof and metrics ask for no password: use 127.0.0.1:8081", c.AdminListen)
		}
	}
	if tls && (c.TLS.Cert == "" || c.TLS.Key.IsZero()) {
		j.addf("tls", "needs both: cert with the path of a PEM chain, and key with file:PATH of its private key")
	}
	if err := c.TLS.Key.Validate("tls.key"); err != nil {
		j.addf("tls.key", "%s", strings.TrimPrefix(err.Error(), "tls.key: "))
	}
	for i, text := range c.TrustedProxies {
		if _, err := ParseProxy(text); err != nil {
			j.addf(fmt.Sprintf("trusted_proxies[%d]", i), "%v", err)
		}
	}
	j.publicURL(c.PublicURL)
}

// ParseProxy reads an address or a CIDR range of trusted_proxies.
func ParseProxy(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no address and no range: write 10.0.0.7 or 10.0.0.0/24", text)
	}
	return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
}

func (j *judge) publicURL(text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		j.addf("public_url", "%q is no URL: write it as https://rollcall.acme.com", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		j.addf("public_url", "wants scheme and host alone: write it as %s://%s", u.Scheme, u.Host)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		j.addf("public_url", "is plain http, and bearer tokens must not travel in the clear: write https://%s", u.Host)
	}
}

// database never quotes the address: somebody may have put a password there.
func (j *judge) database(c *Config) {
	path, lite := strings.CutPrefix(c.Database, "sqlite:")
	switch {
	case c.Database == "":
		j.addf("database", "is missing: write sqlite:rollcall.db, or postgres://USER@HOST/NAME")
	case lite && (path == "" || strings.HasPrefix(path, ":memory:") || strings.ContainsAny(path, "?#")):
		j.addf("database", "wants the path of a file after sqlite: such as sqlite:rollcall.db")
	case !lite:
		j.postgres(c.Database)
	}
	if lite && !c.DatabasePassword.IsZero() {
		j.addf("database_password", "a SQLite file has no password: remove the key")
	}
	if err := c.DatabasePassword.Validate("database_password"); err != nil {
		j.addf("database_password", "%s", strings.TrimPrefix(err.Error(), "database_password: "))
	}
}

func (j *judge) postgres(text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		j.addf("database", "wants sqlite:PATH or postgres://USER@HOST/NAME")
		return
	}
	_, set := u.User.Password()
	if query := u.Query(); set || query.Has("password") || query.Has("sslpassword") {
		j.addf("database", "holds a password, and secrets must not stand in the configuration: remove it here and write "+
			"database_password: file:/path/to/it")
	}
}

func (j *judge) limits(l *Limits) {
	for _, t := range []struct {
		key         string
		got         time.Duration
		least, most time.Duration
	}{
		{"head_timeout", l.HeadTimeout, time.Second, time.Minute},
		{"read_timeout", l.ReadTimeout, time.Second, 10 * time.Minute},
		{"write_timeout", l.WriteTimeout, time.Second, 10 * time.Minute},
		{"idle_timeout", l.IdleTimeout, time.Second, 10 * time.Minute},
		{"drain", l.Drain, time.Second, 20 * time.Second},
	} {
		if t.got < t.least || t.got > t.most {
			j.addf("limits."+t.key, "is %s: write a time from %s to %s", t.got, t.least, t.most)
		}
	}
	for _, n := range []struct {
		key              string
		got, least, most int
	}{
		{"head_bytes", int(l.HeadBytes), 4 << 10, 1 << 20},
		{"connections", l.Connections, 1, 1_000_000},
		{"connections_per_address", l.ConnectionsPerAddress, 1, 1_000_000},
		{"user_body", int(l.UserBody), 64 << 10, 16 << 20},
		{"group_body", int(l.GroupBody), 64 << 10, 64 << 20},
		{"sign_ins", l.SignIns, 1, 100_000},
		{"signals", l.Signals, 1, 10_000},
		{"codes.per_address", l.Codes.PerAddress, 1, 100},
		{"codes.per_domain", l.Codes.PerDomain, 1, 1_000_000},
		{"codes.per_network", l.Codes.PerNetwork, 1, 1_000_000},
	} {
		if n.got < n.least || n.got > n.most {
			j.addf("limits."+n.key, "is %d: write a number from %d to %d", n.got, n.least, n.most)
		}
	}
}

func (j *judge) workspace(path string, w *Workspace) {
	if _, err := workspace.ParsePlan(w.Plan); err != nil {
		j.addf(path+".plan", "%v", err)
	}
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "" || w.Zone == "Local" {
		j.addf(path+".zone", "unknown time zone %q: use an IANA name such as Europe/Oslo", w.Zone)
	}
	if len(w.Owners) == 0 {
		j.addf(path+".owners", "is missing: name the first Owner's address; no sync ever makes an Owner (M13)")
	}
	seen := map[string]bool{}
	for i, owner := range w.Owners {
		at := fmt.Sprintf("%s.owners[%d]", path, i)
		j.mailAddress(at, owner)
		if seen[fold.Email(owner)] {
			j.addf(at, "%s stands twice: remove one", owner)
		}
		seen[fold.Email(owner)] = true
	}
	ids := map[string]bool{}
	for i := range w.Connections {
		at := fmt.Sprintf("%s.connections[%d]", path, i)
		j.name(at+".id", w.Connections[i].ID, ids)
		j.connection(at, &w.Connections[i])
	}
	for _, err := range w.Policy.Validate() {
		key, text, _ := strings.Cut(err.Error(), ": ")
		j.addf(path+".policy."+key, "%s", text)
	}
	j.people(path+".policy.protect.members", w.Policy.Protect.Members)
	j.people(path+".policy.break_glass", w.Policy.BreakGlass)
	if w.Rate < 0 || w.Rate > maxRate {
		j.addf(path+".rate", "%d is no rate: use 1 to %d requests a second, or leave it out for 200", w.Rate, maxRate)
	}
	j.terms(path, w)
	j.domains(path, w)
	j.requests(path+".requests", &w.Requests)
}

// people wants addresses and turns them into the keys that members are filed
// under: the policy finds people whichever way their address is written.
// What has no @ is Policy.Validate's to report.
func (j *judge) people(path string, list []string) {
	for i, address := range list {
		if strings.Contains(address, "@") {
			j.mailAddress(fmt.Sprintf("%s[%d]", path, i), address)
			list[i] = fold.Email(address)
		}
	}
}

// mailAddress wants a bare address, as directories send it.
func (j *judge) mailAddress(path, text string) {
	if a, err := mail.ParseAddress(text); err != nil || a.Address != text {
		j.addf(path, "%q is no address: write it as ann@acme.com", text)
	}
}

// maxRate is the largest rate of a connection or workspace, in requests a
// second.
const maxRate = 100_000

func (j *judge) connection(path string, c *Connection) {
	switch {
	case c.Kind == "":
		j.addf(path+".kind", "is missing: write kind: scim for a directory that pushes, kind: ldap for one that is read, kind: oidc for sign-in and directory APIs")
	case c.Kind == kindAPI:
		return // it has no keys of its own
	case c.Kind == "ldap":
		j.directory(path, c)
	case c.Kind == oidc.Kind:
		j.oidc(path, c)
	case slices.Contains(pulled, c.Kind):
		j.addf(path+".kind", "is a kind of directory, not of connection: write kind: oidc with directory: {kind: %s, ...}", c.Kind)
	case c.Kind != "scim":
		j.addf(path+".kind", "unknown kind %q%s", c.Kind, remedyFor(c.Kind, kinds))
	case c.Profile == "":
		j.addf(path+".profile", "is missing: use %s", strings.Join(profiles, ", "))
	case !slices.Contains(profiles, c.Profile):
		j.addf(path+".profile", "unknown profile %q%s", c.Profile, remedyFor(c.Profile, profiles))
	}
	j.mode(path, c.Mode)
	j.push(path, &c.Push)
	if c.Kind == "scim" {
		j.brake(path, &c.Brake)
	}
	if c.Rate < 0 || c.Rate > maxRate {
		j.addf(path+".rate", "%d is no rate: use 1 to %d requests a second, or leave it out for 50", c.Rate, maxRate)
	}
	if c.ActsAs == workspace.RoleNone {
		j.addf(path+".acts_as", "is empty: use member, admin or owner")
	}
	if c.Sponsor != "" {
		j.mailAddress(path+".sponsor", c.Sponsor)
	}
}

// terms judges leavers, invitations and billing.
func (j *judge) terms(path string, w *Workspace) {
	if l := w.Leavers.Grace; l > 90*day {
		j.addf(path+".leavers.grace", "is longer than 90d: write a time from 0s to 90d (GR1)")
	}
	if l := w.Leavers.RestoreWindow; l < w.Leavers.Grace || l > 3650*day {
		j.addf(path+".leavers.restore_window", "must not be shorter than the grace nor longer than 3650d: write 90d")
	}
	if w.Leavers.Handover != nil && len(w.Leavers.Handover) == 0 {
		j.addf(path+".leavers.handover", "is empty, and somebody must answer a leaver's numbers (I2): leave the key out for the whole chain")
	}
	seen := map[string]bool{}
	for i, way := range w.Leavers.Handover {
		at := fmt.Sprintf("%s.leavers.handover[%d]", path, i)
		if !slices.Contains(handoverWays, way) {
			j.addf(at, "unknown step %q%s", way, remedyFor(way, handoverWays))
		} else if seen[way] {
			j.addf(at, "%s stands twice: remove one", way)
		}
		seen[way] = true
	}
	if e := w.Invitations.Expire; e < time.Hour || e > 90*day {
		j.addf(path+".invitations.expire", "must be from 1h to 90d: write 14d")
	}
	first, last := w.Billing.FirstDay, w.Billing.LastDay
	switch {
	case first.IsZero() != last.IsZero():
		j.addf(path+".billing", "needs both days: first_day and last_day, or neither for the calendar year")
	case !last.After(first.Time) && !first.IsZero():
		j.addf(path+".billing.last_day", "must be after first_day: both days belong to the period")
	}
}

// Warnings returns what is allowed but worth a second look, each with its key
// and, of a file that was read, its place.
func (c *Config) Warnings() []*Problem {
	j := &judge{}
	for i := range c.Workspaces {
		w, path := &c.Workspaces[i], fmt.Sprintf("workspaces[%d]", i)
		if len(w.Policy.BreakGlass) == 0 {
			j.addf(path+".policy.break_glass", "no break-glass Owner: if the identity provider fails, nobody outside it can sign in (O5)")
		}
		if w.Policy.Approve != nil && len(w.Policy.Approve) == 0 {
			j.addf(path+".policy.approve", "is empty: connections raise roles without a second person (R35)")
		}
		if len(w.Connections) == 0 {
			j.addf(path+".connections", "no connection: nothing is provisioned")
		}
		for k := range w.Connections {
			if w.Connections[k].ActsAs == workspace.RoleOwner {
				j.addf(fmt.Sprintf("%s.connections[%d].acts_as", path, k), "owner lets this connection end Owners who are neither last nor primary")
			}
			if w.Connections[k].AllowPlaintext {
				j.addf(fmt.Sprintf("%s.connections[%d].allow_plaintext", path, k), "the bind password travels in the clear: use ldaps:// or start_tls: true (LM11)")
			}
		}
	}
	for _, p := range j.problems {
		if c.place != nil {
			at := c.place(p.Path)
			p.File, p.Line, p.Column = c.File, at.Line, at.Column
		}
	}
	return j.problems
}
