// Package configs reads Rollcall's configuration: one strict YAML file.
//
// Unknown keys are errors, all problems of a file come together with their
// lines, secrets stand in it as references only (file: or env:), and every key
// is obeyed by the program that reads it (house rule 7).
package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/events"
	"github.com/rollcall-sync/rollcall/internal/mail"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/internal/yamldoc"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Config is a whole configuration. After Load its paths are relative to the
// working directory, its defaults are filled in and its mappings compiled; it
// is not changed afterwards and may be shared between goroutines.
type Config struct {
	// Listen is the public listener: SCIM. Port 0 takes a free one.
	Listen string `yaml:"listen"`
	// AdminListen is the operators' listener, on loopback; "" has none.
	AdminListen string `yaml:"admin_listen"`
	// PublicURL is how clients reach the public listener, without a path; ""
	// on loopback: the listener's own address.
	PublicURL string `yaml:"public_url"`
	TLS       TLS    `yaml:"tls"`
	// TrustedProxies are the addresses and CIDR ranges whose X-Forwarded-For
	// is believed; naming one allows plain HTTP off loopback.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Database is sqlite:PATH or postgres://USER@HOST/NAME.
	Database         string     `yaml:"database"`
	DatabasePassword secret.Ref `yaml:"database_password"`
	// KeyRing holds the keys that encrypt what must be kept secret in the
	// store, such as refresh tokens (ON3).
	KeyRing secret.Ref `yaml:"key_ring"`
	// LogLevel is debug, info, warn or error.
	LogLevel   string      `yaml:"log_level"`
	Limits     Limits      `yaml:"limits"`
	Workspaces []Workspace `yaml:"workspaces"`
	// Events are the receivers that hear of changes, of every workspace.
	Events events.Config `yaml:"events"`

	// Mail is the server that mails codes to people who join by a domain.
	Mail mail.Config `yaml:"mail"`

	// File is the path that was read, Hash "sha256:" and the hex digest of its
	// text.
	File string `yaml:"-"`
	Hash string `yaml:"-"`

	// place tells where a key stands in the file; nil if none was read.
	place func(path string) yamldoc.Place
}

// TLS names the certificate of the public listener; both files are read anew
// when they change. The zero value is plain HTTP.
type TLS struct {
	Cert string     `yaml:"cert"` // path of a PEM chain
	Key  secret.Ref `yaml:"key"`
}

// Limits bound what one server takes on (reliability section 8).
type Limits struct {
	HeadTimeout           time.Duration `yaml:"head_timeout"`
	ReadTimeout           time.Duration `yaml:"read_timeout"`
	WriteTimeout          time.Duration `yaml:"write_timeout"`
	IdleTimeout           time.Duration `yaml:"idle_timeout"`
	HeadBytes             Bytes         `yaml:"head_bytes"`
	Connections           int           `yaml:"connections"`
	ConnectionsPerAddress int           `yaml:"connections_per_address"`
	UserBody              Bytes         `yaml:"user_body"`  // GD04
	GroupBody             Bytes         `yaml:"group_body"` // GD04
	Drain                 time.Duration `yaml:"drain"`
	SignIns               int           `yaml:"sign_ins"` // begun a minute by one address; twice as many at once
	Signals               int           `yaml:"signals"`  // a second of one connection and address
	Codes                 Codes         `yaml:"codes"`
}

// Codes bound how many codes for joining are mailed in an hour (DC7).
type Codes struct {
	PerAddress int `yaml:"per_address"`
	PerDomain  int `yaml:"per_domain"`
	PerNetwork int `yaml:"per_network"` // asked for by one network address
}

// Workspace is one customer's workspace.
type Workspace struct {
	ID   string `yaml:"id"`
	Name string `yaml:"name"` // ID if left out
	Plan string `yaml:"plan"`
	Zone string `yaml:"zone"` // IANA name; UTC if left out
	// Owners are the addresses of the first Owners, the primary one first.
	Owners      []string         `yaml:"owners"`
	Connections []Connection     `yaml:"connections"`
	Mapping     string           `yaml:"mapping"` // "": the default mapping
	Policy      workspace.Policy `yaml:"policy"`
	Leavers     Leavers          `yaml:"leavers"`
	Invitations Invitations      `yaml:"invitations"`
	Billing     Billing          `yaml:"billing"`
	// Rate is how many requests a second all of its connections of kind scim
	// may send together, beyond 25 of each; 0 is 200, or twice the largest rate
	// of a connection if that is more.
	Rate     int      `yaml:"rate"`
	Requests Requests `yaml:"requests"`
	// Domains are the terms of claimed domains; the claims are in the store.
	Domains sync.DomainTerms `yaml:"claimed_domains"`

	// Rules is the compiled mapping.
	Rules *mapping.Rules `yaml:"-"`
}

// Connection is one identity provider's access to a workspace.
type Connection struct {
	ID      string         `yaml:"id"`
	Kind    string         `yaml:"kind"`    // scim, ldap, oidc or api
	Profile string         `yaml:"profile"` // of kind scim
	Rate    int            `yaml:"rate"`    // of kind scim: requests a second in each of two buckets; 50 if left out
	Mode    string         `yaml:"mode"`    // live, or observe: stored and reported, and nothing changed
	ActsAs  workspace.Role `yaml:"acts_as"` // Admin if left out
	Sponsor string         `yaml:"sponsor"` // address; "": the primary Owner
	Domains []string       `yaml:"domains"` // mail domains that it may vouch for (DC7); none if left out

	Push      `yaml:",inline"` // of kind scim
	Directory `yaml:",inline"` // of kind ldap, and the keys of the poller of kind oidc
	OIDC      oidc.Config      `yaml:",inline"` // of kind oidc
}

// Leavers are the terms for people who leave; no key delays the cut (GR1).
type Leavers struct {
	Grace         time.Duration `yaml:"grace"`
	RestoreWindow time.Duration `yaml:"restore_window"`
	Handover      []string      `yaml:"handover"` // nil: the whole chain
}

// Invitations are the terms of invitations.
type Invitations struct {
	Expire time.Duration `yaml:"expire"`
}

// Billing is the billing period, both days included. The zero value is the
// calendar year.
type Billing struct {
	FirstDay Date `yaml:"first_day"`
	LastDay  Date `yaml:"last_day"`
}

// Date is a calendar day, written 2026-12-31. The zero value is none.
type Date struct{ time.Time }

// UnmarshalText reads a day.
func (d *Date) UnmarshalText(text []byte) error {
	day, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is no day: write it as 2026-12-31", text)
	}
	d.Time = day
	return nil
}

// Bytes is a size, written 32KiB, 1MiB or as a plain number of bytes.
type Bytes int64

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, factor := string(text), int64(1)
	for unit, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if rest, ok := strings.CutSuffix(digits, unit); ok {
			digits, factor = strings.TrimSpace(rest), size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no size: write it as 32KiB, 1MiB or a number of bytes", text)
	}
	*b = Bytes(n * factor)
	return nil
}

// kinds and profiles are the words that connections know. The profiles are
// those of package scim, which a test of the command compares.
var (
	profiles     = []string{"entra", "okta", "onelogin", "jumpcloud", "ping", "rippling", "google", "strict"}
	pulled       = []string{"graph", "okta", "google", "keycloak"}
	kinds        = []string{"scim", "ldap", "oidc", "api"}
	handoverWays = []string{"named", "co_owner", "shared", "manager", "group", "pool", "primary_owner"}
	levels       = []string{"debug", "info", "warn", "error"}
)

// ProfileNames lists the client profiles that a connection of kind scim may
// name.
func ProfileNames() []string { return append([]string(nil), profiles...) }

const day = 24 * time.Hour

// setDefaults fills what a file may leave out, before it is read.
func (c *Config) setDefaults() {
	c.LogLevel = "info"
	c.Limits = Limits{
		HeadTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		HeadBytes: 32 << 10, Connections: 4000, ConnectionsPerAddress: 200, Drain: 20 * time.Second,
		SignIns: 10, Signals: 50, Codes: Codes{PerAddress: 5, PerDomain: 200, PerNetwork: 30},
		UserBody: 1 << 20, GroupBody: 4 << 20,
	}
}

func (w *Workspace) setDefaults() {
	w.Zone = "UTC"
	w.Plan = string(workspace.PlanBusiness)
	w.Policy = *workspace.Default()
	w.Leavers = Leavers{Grace: 7 * day, RestoreWindow: 90 * day}
	w.Invitations = Invitations{Expire: 14 * day}
	w.Domains = sync.DomainTerms{}.WithDefaults()
	w.Requests = Requests{Keep: 7 * day, Most: 50_000}
}

func (c *Connection) setDefaults() {
	c.ActsAs = workspace.RoleAdmin
	c.Mode = sync.ModeLive
	c.Directory.setDefaults()
}
