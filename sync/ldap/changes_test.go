package ldap

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

func personDN(uid string) string { return "uid=" + uid + "," + peopleBase }

// LD1, LM6, LM7, LM8, LM10: every kind of change on slapd by syncrepl.
func TestChangesBySyncrepl(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 4)
	s := newSource(t, slapdConfig(t, c.Slapd), Options{})
	f, cursor := full(t, s)
	if seen := s.Traffic(); seen.Requests == 0 || seen.Bytes < 1000 || seen.Referrals != 0 {
		t.Errorf("traffic of a whole read: %+v", seen)
	}
	id := func(uid string) string {
		who, ok := f.ByUserName(uid)
		if !ok {
			t.Fatalf("%s was not read", uid)
		}
		return who.ExternalID
	}
	p0, p1, p2 := id("p00"), id("p01"), id("p02")
	next := func() *sourcetest.Collector {
		t.Helper()
		var d *sourcetest.Collector
		d, cursor = delta(t, s, cursor)
		return d
	}
	if d := next(); len(d.People())+len(d.Gone())+len(d.Present()) != 0 {
		t.Errorf("LP1: no change states %v %v %v", d.People(), d.Gone(), d.Present())
	}
	c.modify(personDN("p00"), func(m *goldap.ModifyRequest) { m.Delete("mail", nil) })
	if d := next(); len(d.People()) != 1 || d.People()[p0].Attributes["email"] == nil || len(d.People()[p0].Attributes["email"]) != 0 {
		t.Errorf("LM8: a removed mail must be stated empty: %+v", d.People())
	}
	for value, active := range map[string]bool{"000001010000Z": false, "20260101000000Z": true} {
		c.modify(personDN("p00"), func(m *goldap.ModifyRequest) { m.Replace("pwdAccountLockedTime", []string{value}) })
		if d := next(); d.People()[p0].Active != active {
			t.Errorf("LM6: pwdAccountLockedTime %s: %+v", value, d.People()[p0])
		}
	}
	c.modify(personDN("p01"), func(m *goldap.ModifyRequest) {
		m.Add("objectClass", []string{"shadowAccount"})
		m.Add("shadowExpire", []string{"1"})
	})
	if d := next(); d.People()[p1].Reason != "expired" || !slices.Equal(d.People()[p1].Attributes["accountExpires"], []string{"1970-01-02T00:00:00Z"}) {
		t.Errorf("LM7: %+v", d.People()[p1])
	}
	c.move(personDN("p01"), "uid=p01 renamed", "")
	if d := next(); d.People()[p1].DN != "uid=p01 renamed,ou=people,dc=acme,dc=com" {
		t.Errorf("LM10: a rename keeps the id: %+v", d.People())
	}
	c.move("uid=p01 renamed,"+peopleBase, "uid=p01", "ou=alumni,"+ldaptest.Suffix)
	if d := next(); d.Gone()[p1].Why != "left" {
		t.Errorf("LP2: who moved out of the base has left: %+v", d.Gone())
	}
	if who, err := s.Get(ctxFor(t), p1); err != nil || who.Reason != "moved" || who.Active {
		t.Errorf("AB3: %+v, %v; want moved", who, err)
	}
	// LP9, LM10: a stranger takes the old name.
	c.person("p01")
	d := next()
	who, _ := d.ByUserName("p01")
	if who.ExternalID == "" || who.ExternalID == p1 {
		t.Errorf("LM10: the same uid is another person: %+v", who)
	}
	c.remove(personDN("p02"))
	if d := next(); d.Gone()[p2].Why != "left" {
		t.Errorf("LP2: a deletion is stated as left: %+v", d.Gone())
	}
	if _, err := s.Get(ctxFor(t), p2); !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("AB2: %v, want ErrAbsent with the sentinel in sight", err)
	}
}

// AB3: filtered is told from absent.
func TestGetFiltered(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 2)
	for _, uid := range []string{"p00", "probe"} {
		c.modify(personDN(uid), func(m *goldap.ModifyRequest) { m.Add("employeeType", []string{"staff"}) })
	}
	cfg := slapdConfig(t, c.Slapd)
	f, _ := full(t, newSource(t, cfg, Options{}))
	who, _ := f.ByUserName("p01")
	cfg.People.Filter = "(employeeType=staff)"
	s := newSource(t, cfg, Options{})
	got, err := s.Get(ctxFor(t), who.ExternalID)
	if err != nil || got.Reason != "filtered" || got.Active {
		t.Errorf("AB3: %+v, %v; want filtered", got, err)
	}
}

// AB2: without a sentinel nobody can tell absence from a lost right; known
// people serve instead.
func TestGetWithoutSentinel(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 4)
	cfg := slapdConfig(t, c.Slapd)
	cfg.Sentinel = ""
	f, _ := full(t, newSource(t, cfg, Options{}))
	who, _ := f.ByUserName("p00")
	c.remove(personDN("p00"))
	var incomplete *sync.IncompleteError
	if _, err := newSource(t, cfg, Options{}).Get(ctxFor(t), who.ExternalID); !errors.As(err, &incomplete) {
		t.Errorf("AB2: %v, want IncompleteError", err)
	}
	known := slices.Collect(maps.Keys(f.People()))
	s := newSource(t, cfg, Options{Known: func(ctx) ([]string, error) { return known, nil }})
	if _, err := s.Get(ctxFor(t), who.ExternalID); !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("RD5: %v, want ErrAbsent: 4 of 5 known people are visible", err)
	}
	c.Access(`to dn.subtree="`+peopleBase+`" by * none`, `to * by dn.exact="`+ldaptest.Reader+`" read by anonymous auth`)
	if _, err := s.Get(ctxFor(t), who.ExternalID); !errors.As(err, &incomplete) {
		t.Errorf("AB2: %v, want IncompleteError when known people vanish too", err)
	}
}

// The tell-tale moves with every change, a group's included, and with nothing
// else.
func TestTellTale(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 2)
	c.group("team", personDN("p00"))
	s := newSource(t, slapdConfig(t, c.Slapd), Options{})
	mark := func() string {
		t.Helper()
		m, err := s.TellTale(ctxFor(t))
		if err != nil || m == "" {
			t.Fatalf("mark %q, %v", m, err)
		}
		return m
	}
	before := mark()
	if mark() != before {
		t.Error("the mark moves by itself")
	}
	c.modify("cn=team,"+groupsBase, func(m *goldap.ModifyRequest) { m.Add("member", []string{personDN("p01")}) })
	if mark() == before {
		t.Error("the mark stands still although a group changed")
	}
	narrow := slapdConfig(t, c.Slapd)
	narrow.People.Filter = "(uid=p0*)"
	if m, err := newSource(t, narrow, Options{}).TellTale(ctxFor(t)); m == mark() || err != nil {
		t.Errorf("CU3: the mark stands still although the filter is another one, %v", err)
	}
	blind := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{NoSync: true})
	cfg := slapdConfig(t, blind)
	if m, err := newSource(t, cfg, Options{}).TellTale(ctxFor(t)); m != "" || err != nil {
		t.Errorf("without contextCSN the mark is %q, %v; want none", m, err)
	}
}

// LP3: the session log is lost at a restart; the present phase names who is
// there and nobody is stated as gone.
func TestPresentPhase(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{SessionLog: -1}, 4)
	s := newSource(t, slapdConfig(t, c.Slapd), Options{})
	f, cursor := full(t, s)
	gone, _ := f.ByUserName("p01")
	c.Stop()
	c.Start()
	c.admin = c.Admin()
	c.remove(personDN("p01"))
	d, next := delta(t, s, cursor)
	if len(d.Gone()) != 0 {
		t.Errorf("LP3: %v is stated as gone", d.Gone())
	}
	if len(d.Present())+len(d.People()) != 4 || d.Present()[gone.ExternalID] {
		t.Errorf("LP3: present %v, people %v; want the four who are left", d.Present(), d.People())
	}
	if string(next.Data) == string(cursor.Data) {
		t.Error("the cursor did not move")
	}
}

// LP4: a cookie that is newer than the server is a cursor that is gone; a
// foreign one is too, by scope or server.
func TestCookieFromTheFuture(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 1)
	s := newSource(t, slapdConfig(t, c.Slapd), Options{})
	_, cursor := full(t, s)
	year := time.Now().UTC().Format("2006")
	p, err := readPosition(cursor, cursor.Scope)
	if err != nil {
		t.Fatal(err)
	}
	p.Cookie = []byte(strings.ReplaceAll("rid=000,csn="+p.Mark, "csn="+year, "csn=2099"))
	if _, err := s.Delta(ctxFor(t), p.cursor(cursor.Scope, cursor.At), &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("LP4: %v, want ErrCursorGone", err)
	}
}

// Groups: members by canonical name, of whatever spelling, in both classes;
// a large group comes in pieces and is complete at the last.
func TestGroups(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 3)
	c.add("cn=awkward,"+groupsBase, map[string][]string{
		"objectClass": {"groupOfNames"}, "cn": {"awkward"}, "description": {"Odd names"}, "owner": {personDN("p02")},
		"member": {"UID=P00 , OU=People,DC=acme,  DC=com", "cn=awkward," + groupsBase, "uid=nobody," + peopleBase},
	})
	c.add("cn=unique,"+groupsBase, map[string][]string{
		"objectClass": {"groupOfUniqueNames"}, "cn": {"unique"}, "uniqueMember": {personDN("p01") + "#'0101'B"},
	})
	members := make([]string, 12_000)
	for i := range members {
		members[i] = fmt.Sprintf("uid=m%05d,%s", i, peopleBase)
	}
	c.group("large", members...)
	f, cursor := full(t, newSource(t, slapdConfig(t, c.Slapd), Options{}))
	awkward, _ := f.ByGroupName("awkward")
	refs, complete := f.Members(awkward.ExternalID)
	for _, want := range []string{"uid=p00,ou=people,dc=acme,dc=com", "cn=awkward,ou=groups,dc=acme,dc=com", "uid=nobody,ou=people,dc=acme,dc=com"} {
		if !refs[sync.MemberRef{DN: want}] {
			t.Errorf("LM2, LM3: %s is not among %v", want, refs)
		}
	}
	if !complete || len(refs) != 3 || !slices.Equal(awkward.Managers, []string{"uid=p02,ou=people,dc=acme,dc=com"}) {
		t.Errorf("group %+v, complete %v, members %v", awkward, complete, refs)
	}
	unique, _ := f.ByGroupName("unique")
	if refs, _ := f.Members(unique.ExternalID); !refs[sync.MemberRef{DN: "uid=p01,ou=people,dc=acme,dc=com"}] {
		t.Errorf("uniqueMember: %v", refs)
	}
	large, _ := f.ByGroupName("large")
	if refs, complete := f.Members(large.ExternalID); !complete || len(refs) != len(members) {
		t.Errorf("large group: %d members, complete %v", len(refs), complete)
	}
	// LP5: a delta reads groups again; named ones only where the engine asks.
	s := newSource(t, slapdConfig(t, c.Slapd), Options{Groups: func(ctx) ([]string, error) { return []string{unique.ExternalID}, nil }})
	c.modify("cn=unique,"+groupsBase, func(m *goldap.ModifyRequest) { m.Replace("uniqueMember", []string{personDN("p02")}) })
	d, _ := delta(t, s, cursor)
	if refs, complete := d.Members(unique.ExternalID); !complete || len(refs) != 1 || len(d.Groups()) != 1 {
		t.Errorf("LP5: delta reads %v, members %v", d.Groups(), refs)
	}
}

// CU4: who is changed after they were read, while the read goes on, comes with
// the next delta: the watermark is that of the moment before.
func TestChangeWhileReading(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"syncrepl", "timestamp"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, ldaptest.SlapdOptions{}, 6)
			cfg := slapdConfig(t, c.Slapd)
			cfg.Delta, cfg.PageSize = mode, 2
			s := newSource(t, cfg, Options{})
			changed := ""
			sink := &sourcetest.Collector{OnPage: func(_ int, p sync.Page) error {
				if changed == "" && len(p.Identities) > 0 {
					changed = p.Identities[0].ExternalID
					c.modify(p.Identities[0].DN, func(m *goldap.ModifyRequest) { m.Replace("sn", []string{"Changed"}) })
				}
				return nil
			}}
			cursor, err := s.Full(ctxFor(t), sync.Cursor{}, sink)
			if err != nil {
				t.Fatal(err)
			}
			if d, _ := delta(t, s, cursor); d.People()[changed].ExternalID == "" {
				t.Errorf("CU4: the change is lost: %+v", d.People())
			}
		})
	}
}
