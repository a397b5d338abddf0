package ldap

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/internal/ldaptest/script"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

var nothing = func(item) error { return nil }

func (a *actor) link(t *testing.T) *link {
	t.Helper()
	l, err := newSource(t, a.config(t), Options{}).dial(ctxFor(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func baseSearch(name string) *goldap.SearchRequest {
	return goldap.NewSearchRequest(name, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", nil, nil)
}

// LC1: a search on a dead connection is an error, where the library finds
// nothing and reports none.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 1, nil)
	l := a.link(t)
	if err := l.conn.Close(); err != nil {
		t.Fatal(err)
	}
	res := l.conn.SearchAsync(t.Context(), baseSearch(""), 1)
	if res.Next() || res.Err() != nil {
		t.Logf("the library tells now: %v", res.Err())
	}
	if err := l.stream(ctxFor(t), baseSearch(""), nothing); err == nil {
		t.Error("LC1: stream on a dead connection succeeds")
	}
	if e, err := l.base(ctxFor(t), "", "(objectClass=*)", nil); err == nil {
		t.Errorf("LC1: base read on a dead connection gives %v", e)
	}
}

// LC4: entries that come with an error count for nothing.
func TestEntriesWithError(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 1, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
		if r.Base != "cn=half,dc=acme,dc=com" {
			return false
		}
		c.Entry(r, r.Base, map[string][]string{"cn": {"half"}})
		c.Done(r, goldap.LDAPResultSizeLimitExceeded)
		return true
	})
	l := a.link(t)
	e, err := l.base(ctxFor(t), "cn=half,dc=acme,dc=com", "(objectClass=*)", []string{"cn"})
	if c, ok := code(err); e != nil || !ok || c != goldap.LDAPResultSizeLimitExceeded {
		t.Errorf("LC4: %v, %v", e, err)
	}
	if !l.alive() {
		t.Error("an answer of the server closed the link")
	}
}

// LC2: a link is not used again after a cancel.
func TestCancelClosesLink(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 1, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
		if r.Base == "cn=slow" {
			c.Stall()
		}
		return r.Base == "cn=slow"
	})
	l := a.link(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.stream(ctx, baseSearch("cn=slow"), nothing); !errors.Is(err, context.DeadlineExceeded) || l.alive() {
		t.Errorf("%v, alive %v", err, l.alive())
	}
}

// LC6: closing does not hang while a stream is undrained, whoever refuses it.
func TestRefusedItemClosesLink(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 1, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
		if r.Base != "cn=many" {
			return false
		}
		for range 5000 {
			c.Entry(r, "cn=one", map[string][]string{"cn": {strings.Repeat("x", 1000)}})
		}
		c.Done(r, 0)
		return true
	})
	l := a.link(t)
	full := errors.New("full")
	began := time.Now()
	if err := l.stream(ctxFor(t), baseSearch("cn=many"), func(item) error { return full }); !errors.Is(err, full) || l.alive() {
		t.Errorf("%v, alive %v", err, l.alive())
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// LC8: a server that accepts and never shakes hands.
func TestHungHandshake(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	a := fakeOpenLDAP(t, 1, nil)
	for scheme, startTLS := range map[string]bool{"ldaps": false, "ldap": true} {
		cfg := a.config(t)
		cfg.URL, cfg.StartTLS, cfg.Timeouts.Dial = URLs{scheme + "://" + l.Addr().String()}, startTLS, 200*time.Millisecond
		began := time.Now()
		_, err := newSource(t, cfg, Options{}).Full(ctxFor(t), sync.Cursor{}, &sourcetest.Collector{})
		var late *TimeoutError
		if !errors.As(err, &late) || !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "closed network connection") || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %s", scheme, err, time.Since(began))
		}
	}
}

// LC11: attributes are asked for by name, memberOf not at all.
func TestAttributesByName(t *testing.T) {
	t.Parallel()
	for _, f := range []Flavor{OpenLDAP, AD, DS389} {
		p := newPlan(&Config{Delta: "timestamp"}, f)
		for _, asked := range [][]string{p.ask, p.askGroup} {
			for _, bad := range []string{"*", "+", "memberOf"} {
				if slices.ContainsFunc(asked, func(a string) bool { return strings.EqualFold(a, bad) }) {
					t.Errorf("%s asks for %s", f, bad)
				}
			}
			if !slices.Contains(asked, p.id.attr) {
				t.Errorf("%s does not ask for %s", f, p.id.attr)
			}
		}
		if !slices.Contains(p.ask, p.disabledAttr) || p.disabledAttr == "" {
			t.Errorf("LM6: %s does not ask for its flag", f)
		}
	}
}

// LM9, LM8, I14: several mails in their order; what is no text is unknown and
// what is missing is empty.
func TestValues(t *testing.T) {
	t.Parallel()
	s, err := New(parse(t, example), Options{Connection: "corp"})
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{Source: s, plan: newPlan(&s.cfg, OpenLDAP)}
	who, whole, err := r.person(&goldap.Entry{DN: "uid=a,dc=x", Attributes: []*goldap.EntryAttribute{
		{Name: "ENTRYUUID", Values: []string{"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}},
		{Name: "Mail", Values: []string{"z@acme.com", "a@acme.com"}},
		{Name: "title", Values: []string{"\xff\x00"}},
		{Name: "cn", Values: []string{"Ann"}},
	}})
	if err != nil || !whole || who.ExternalID != "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" || who.Name != "Ann" || who.Email != "z@acme.com" {
		t.Errorf("%+v, %v, %v", who, whole, err)
	}
	if v := who.Attributes["email"]; !slices.Equal(v, []string{"z@acme.com", "a@acme.com"}) {
		t.Errorf("LM9: %v", v)
	}
	if _, known := who.Attributes["title"]; known {
		t.Error("EV3: octets that are no text are stated")
	}
	if v, known := who.Attributes["mobile"]; !known || len(v) != 0 {
		t.Errorf("LM8: %v, %v", v, known)
	}
	if c := (Disabled{"employeeStatus", "closed"}); r.plan.disabled != c {
		t.Errorf("disabled: %+v", r.plan.disabled)
	}
	who, _, err = r.person(goldap.NewEntry("uid=a,dc=x", map[string][]string{"entryUUID": {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, "employeeStatus": {"CLOSED"}}))
	if err != nil || who.Active || who.Reason != "disabled" {
		t.Errorf("disabled by rule: %+v, %v", who, err)
	}
}

// FT14 on a real server: an id that is a filter finds nobody, and a group
// name that is one names nobody else.
func TestInjectionOnSlapd(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 2)
	for _, uid := range []string{"p00", "probe"} {
		c.modify(personDN(uid), func(m *goldap.ModifyRequest) { m.Add("employeeNumber", []string{"7 (" + uid + ")*"}) })
	}
	cfg := slapdConfig(t, c.Slapd)
	cfg.IDAttribute, cfg.People.Filter, cfg.Groups = "employeeNumber", "(employeeNumber=*)", Branch{}
	s := newSource(t, cfg, Options{})
	who, err := s.Get(ctxFor(t), "7 (p00)*")
	if err != nil || who.UserName != "p00" {
		t.Errorf("%+v, %v", who, err)
	}
	for _, bad := range []string{"*", "7*", "*)(uid=*", "7 (p00)*)(uid=p01", "\x00", `\2a`} {
		if who, err := s.Get(ctxFor(t), bad); !errors.Is(err, sync.ErrAbsent) {
			t.Errorf("%q finds %+v, %v", bad, who, err)
		}
	}
}
