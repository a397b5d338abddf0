package ldap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

const (
	peopleBase = "ou=people," + ldaptest.Suffix
	groupsBase = "ou=groups," + ldaptest.Suffix
	probeDN    = "uid=probe," + peopleBase
)

// secretFile writes a secret that only we may read.
func secretFile(t testing.TB, text string) secret.Ref {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.ParseRef("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func slapdConfig(t testing.TB, s *ldaptest.Slapd) Config {
	return Config{
		URL: URLs{s.URL()}, BindDN: ldaptest.Reader, BindPassword: secretFile(t, ldaptest.ReaderPW),
		People: Branch{Base: peopleBase}, Groups: Branch{Base: groupsBase, Nested: true},
		Sentinel: probeDN, PageSize: 3,
	}
}

func newSource(t testing.TB, cfg Config, opt Options) *Source {
	t.Helper()
	if opt.Connection == "" {
		opt.Connection = "corp"
	}
	s, err := New(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ctxFor(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// hands are an administrator's, on servers with the tree of BaseLDIF.
type hands struct {
	t     testing.TB
	admin *goldap.Conn
}

// company is a filled OpenLDAP directory with its administrator.
type company struct {
	*ldaptest.Slapd
	hands
}

func newCompany(t testing.TB, opt ldaptest.SlapdOptions, people int) *company {
	t.Helper()
	c := &company{Slapd: ldaptest.StartSlapd(t, opt)}
	c.hands = hands{t: t, admin: c.Admin()}
	c.staff(people)
	return c
}

// staff adds the sentinel and people p00, p01 and so on.
func (c *hands) staff(people int) {
	c.t.Helper()
	c.person("probe")
	for i := range people {
		c.person(fmt.Sprintf("p%02d", i))
	}
}

func (c *hands) add(dn string, attrs map[string][]string) {
	c.t.Helper()
	req := goldap.NewAddRequest(dn, nil)
	for k, v := range attrs {
		req.Attribute(k, v)
	}
	if err := c.admin.Add(req); err != nil {
		c.t.Fatalf("%s: %v", dn, err)
	}
}

func (c *hands) person(uid string) {
	c.t.Helper()
	c.add("uid="+uid+","+peopleBase, map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {"Person " + uid}, "sn": {uid}, "mail": {uid + "@acme.com"},
		"telephoneNumber": {"+1 555 0100"}, "manager": {"UID=probe, " + peopleBase},
	})
}

func (c *hands) group(cn string, members ...string) {
	c.t.Helper()
	c.add("cn="+cn+","+groupsBase, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": members})
}

func (c *hands) modify(dn string, change func(*goldap.ModifyRequest)) {
	c.t.Helper()
	req := goldap.NewModifyRequest(dn, nil)
	change(req)
	if err := c.admin.Modify(req); err != nil {
		c.t.Fatalf("%s: %v", dn, err)
	}
}

func (c *hands) remove(dn string) {
	c.t.Helper()
	if err := c.admin.Del(goldap.NewDelRequest(dn, nil)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *hands) move(dn, rdn, parent string) {
	c.t.Helper()
	if err := c.admin.ModifyDN(goldap.NewModifyDNRequest(dn, rdn, true, parent)); err != nil {
		c.t.Fatal(err)
	}
}

func full(t testing.TB, s *Source) (*sourcetest.Collector, sync.Cursor) {
	t.Helper()
	c := &sourcetest.Collector{}
	cursor, err := s.Full(ctxFor(t), sync.Cursor{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return c, cursor
}

func delta(t testing.TB, s *Source, from sync.Cursor) (*sourcetest.Collector, sync.Cursor) {
	t.Helper()
	c := &sourcetest.Collector{}
	cursor, err := s.Delta(ctxFor(t), from, c)
	if err != nil {
		t.Fatal(err)
	}
	return c, cursor
}

func TestSuiteOnSlapd(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 8)
	c.group("team", "uid=p00,"+peopleBase, "uid=p01,"+peopleBase)
	c.group("all", "cn=team,"+groupsBase)
	names := []string{"probe"}
	for i := range 8 {
		names = append(names, fmt.Sprintf("p%02d", i))
	}
	for _, delta := range []string{"auto", "timestamp", "none"} {
		t.Run(delta, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Fixture{
				New: func(t *testing.T) sync.Source {
					cfg := slapdConfig(t, c.Slapd)
					cfg.Delta = delta
					return newSource(t, cfg, Options{})
				},
				People: names,
				Revoke: func(*testing.T) {
					c.Access(`to dn.subtree="`+peopleBase+`" by * none`, `to * by dn.exact="`+ldaptest.Reader+`" read by anonymous auth`)
				},
				Restore: func(*testing.T) { c.Access() },
				Empty: func(t *testing.T) sync.Source {
					cfg := slapdConfig(t, c.Slapd)
					cfg.People.Base, cfg.Sentinel = "ou=alumni,"+ldaptest.Suffix, ""
					return newSource(t, cfg, Options{})
				},
			})
		})
	}
}

// ctx shortens the options' functions.
type ctx = context.Context
