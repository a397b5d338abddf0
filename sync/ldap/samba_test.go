package ldap

import (
	"errors"
	"fmt"
	"testing"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	adPeople = "OU=people," + ldaptest.Domain
	adGroups = "OU=groups," + ldaptest.Domain
	adProbe  = "CN=probe," + adPeople
)

// forest is a domain with people, groups and a plain reader.
type forest struct {
	*ldaptest.Samba
	t     testing.TB
	admin *goldap.Conn
}

func newForest(t testing.TB) *forest {
	t.Helper()
	f := &forest{Samba: ldaptest.StartSamba(t), t: t}
	f.admin = f.Admin()
	for _, ou := range []string{"people", "groups", "alumni"} {
		f.add("OU="+ou+","+ldaptest.Domain, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	f.user("probe", adPeople)
	f.user("rollcall", "CN=Users,"+ldaptest.Domain)
	return f
}

func (f *forest) add(dn string, attrs map[string][]string) {
	f.t.Helper()
	req := goldap.NewAddRequest(dn, nil)
	for k, v := range attrs {
		req.Attribute(k, v)
	}
	if err := f.admin.Add(req); err != nil {
		f.t.Fatalf("%s: %v", dn, err)
	}
}

// user adds an enabled account with a password.
func (f *forest) user(name, parent string) {
	f.t.Helper()
	pw := ""
	for _, u := range utf16.Encode([]rune(`"` + ldaptest.DomainPW + `"`)) {
		pw += string([]byte{byte(u), byte(u >> 8)})
	}
	f.add("CN="+name+","+parent, map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {name}, "userPrincipalName": {name + "@corp.acme.test"}, "displayName": {"Person " + name},
		"mail": {name + "@acme.com"}, "department": {"Sales"}, "unicodePwd": {pw}, "userAccountControl": {"512"},
	})
}

func (f *forest) group(name string, members ...string) {
	f.t.Helper()
	f.add("CN="+name+","+adGroups, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {name}})
	if len(members) > 0 {
		f.modify("CN="+name+","+adGroups, func(m *goldap.ModifyRequest) { m.Add("member", members) })
	}
}

func (f *forest) modify(dn string, change func(*goldap.ModifyRequest)) {
	f.t.Helper()
	req := goldap.NewModifyRequest(dn, nil)
	change(req)
	if err := f.admin.Modify(req); err != nil {
		f.t.Fatalf("%s: %v", dn, err)
	}
}

func (f *forest) config() Config {
	return Config{
		URL: URLs{f.URL()}, BindDN: "rollcall@corp.acme.test", BindPassword: secretFile(f.t, ldaptest.DomainPW),
		People: Branch{Base: adPeople}, Groups: Branch{Base: adGroups, Nested: true}, Sentinel: adProbe, PageSize: 3,
	}
}

// TestSamba runs everything against one domain: starting one costs seconds.
func TestSamba(t *testing.T) {
	t.Parallel()
	f := newForest(t)
	for i := range 5 {
		f.user(fmt.Sprintf("u%d", i), adPeople)
	}
	f.group("team", "CN=u0,"+adPeople, "CN=u1,"+adPeople)
	f.group("all", "CN=team,"+adGroups)
	t.Run("suite", func(t *testing.T) {
		for _, delta := range []string{"auto", "dirsync", "timestamp"} {
			t.Run(delta, func(t *testing.T) {
				sourcetest.Run(t, sourcetest.Fixture{
					New: func(t *testing.T) sync.Source {
						cfg := f.config()
						cfg.Delta = delta
						return newSource(t, cfg, Options{})
					},
					People: []string{
						"probe@corp.acme.test", "u0@corp.acme.test", "u1@corp.acme.test", "u2@corp.acme.test", "u3@corp.acme.test", "u4@corp.acme.test",
					},
					Empty: func(t *testing.T) sync.Source {
						cfg := f.config()
						cfg.People.Base, cfg.Sentinel = "OU=alumni,"+ldaptest.Domain, ""
						return newSource(t, cfg, Options{})
					},
				})
			})
		}
	})
	for _, delta := range []string{"usn", "dirsync"} {
		t.Run("changes by "+delta, func(t *testing.T) { f.changes(t, delta) })
	}
	t.Run("LM5 primary group", f.primary)
	t.Run("check", f.check)
}

// changes walks one person through everything that can happen.
func (f *forest) changes(t *testing.T, mode string) {
	name := "x" + mode
	dn := "CN=" + name + "," + adPeople
	f.user(name, adPeople)
	cfg := f.config()
	cfg.Delta = mode
	s := newSource(t, cfg, Options{})
	c, cursor := full(t, s)
	who, ok := c.ByUserName(name + "@corp.acme.test")
	if !ok || !who.Active {
		t.Fatalf("the new person is %+v", who)
	}
	id := who.ExternalID
	step := func(what string, change func(), want func(workspace.Identity, sync.Gone) bool) {
		t.Helper()
		change()
		var d *sourcetest.Collector
		d, cursor = delta(t, s, cursor)
		if !want(d.People()[id], d.Gone()[id]) {
			t.Errorf("%s: people %+v, gone %+v", what, d.People(), d.Gone())
		}
	}
	step("title", func() { f.modify(dn, func(m *goldap.ModifyRequest) { m.Replace("title", []string{"Lead"}) }) },
		func(i workspace.Identity, _ sync.Gone) bool { v, _ := i.Attributes.First("title"); return v == "Lead" })
	step("LM8 title removed", func() { f.modify(dn, func(m *goldap.ModifyRequest) { m.Delete("title", nil) }) },
		func(i workspace.Identity, _ sync.Gone) bool {
			v, known := i.Attributes["title"]
			return known && len(v) == 0
		})
	step("LM6 disabled", func() {
		f.modify(dn, func(m *goldap.ModifyRequest) { m.Replace("userAccountControl", []string{"514"}) })
	},
		func(i workspace.Identity, _ sync.Gone) bool {
			return !i.Active && i.Reason == "disabled" && i.Attributes["active"] != nil
		})
	step("enabled again", func() {
		f.modify(dn, func(m *goldap.ModifyRequest) { m.Replace("userAccountControl", []string{"512"}) })
	},
		func(i workspace.Identity, _ sync.Gone) bool { return i.Active })
	step("LM7 expires", func() {
		f.modify(dn, func(m *goldap.ModifyRequest) { m.Replace("accountExpires", []string{"130000000000000000"}) })
	},
		func(i workspace.Identity, _ sync.Gone) bool {
			v, _ := i.Attributes.First("accountExpires")
			return v == "2012-12-14T23:06:40Z"
		})
	step("LM7 never", func() { f.modify(dn, func(m *goldap.ModifyRequest) { m.Replace("accountExpires", []string{"0"}) }) },
		func(i workspace.Identity, _ sync.Gone) bool {
			v, known := i.Attributes["accountExpires"]
			return known && len(v) == 0
		})
	step("LM10 renamed", func() {
		if err := f.admin.ModifyDN(goldap.NewModifyDNRequest(dn, "CN=renamed "+mode, true, "")); err != nil {
			t.Fatal(err)
		}
		dn = "CN=renamed " + mode + "," + adPeople
	}, func(i workspace.Identity, _ sync.Gone) bool {
		return i.DN == "cn=renamed "+mode+",ou=people,dc=corp,dc=acme,dc=test"
	})
	step("moved out of the base", func() {
		if err := f.admin.ModifyDN(goldap.NewModifyDNRequest(dn, "CN=renamed "+mode, true, "OU=alumni,"+ldaptest.Domain)); err != nil {
			t.Fatal(err)
		}
		dn = "CN=renamed " + mode + ",OU=alumni," + ldaptest.Domain
	}, func(_ workspace.Identity, g sync.Gone) bool { return g.Why == "left" })
	if got, err := s.Get(ctxFor(t), id); err != nil || got.Reason != "moved" || got.Active {
		t.Errorf("AB3: Get of somebody moved: %+v, %v", got, err)
	}
	if err := f.admin.Del(goldap.NewDelRequest(dn, nil)); err != nil {
		t.Fatal(err)
	}
	d, _ := delta(t, s, cursor)
	_, err := s.Get(ctxFor(t), id)
	// Whether a plain account sees tombstones is the domain's business
	// (LP10); it must never see the person alive.
	if g := d.Gone()[id]; g.Why == "left" || d.People()[id].ExternalID != "" {
		t.Errorf("after the deletion: gone %+v, people %+v", g, d.People()[id])
	}
	if !errors.Is(err, sync.ErrDeleted) && !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("Get of somebody deleted: %v", err)
	}
	admin := f.config()
	admin.BindDN = ldaptest.AdminName
	admin.Delta = mode
	if _, err := newSource(t, admin, Options{}).Get(ctxFor(t), id); !errors.Is(err, sync.ErrDeleted) {
		t.Errorf("LP10: Get with rights on tombstones: %v, want ErrDeleted", err)
	}
}

// primary reads Domain Users, which names nobody as a member.
func (f *forest) primary(t *testing.T) {
	cfg := f.config()
	cfg.Groups = Branch{Base: "CN=Users," + ldaptest.Domain, Filter: "(sAMAccountName=Domain Users)"}
	c, cursor := full(t, newSource(t, cfg, Options{}))
	g, ok := c.ByGroupName("Domain Users")
	if !ok {
		t.Fatal("Domain Users was not read")
	}
	refs, complete := c.Members(g.ExternalID)
	who, _ := c.ByUserName("u0@corp.acme.test")
	if !complete || !refs[sync.MemberRef{ID: who.ExternalID, Kind: "user"}] {
		t.Errorf("LM5: members %v, complete %v", refs, complete)
	}
	d, _ := delta(t, newSource(t, cfg, Options{}), cursor)
	if again, complete := d.Members(g.ExternalID); !complete || len(again) != len(refs) {
		t.Errorf("LM5 in a delta: members %v, complete %v", again, complete)
	}
}

func (f *forest) check(t *testing.T) {
	p, err := newSource(t, f.config(), Options{}).Check(ctxFor(t))
	if err != nil {
		t.Fatal(err)
	}
	if p.People < 6 || p.Groups != 2 || p.Tenant == "" || p.Server == "" {
		t.Errorf("probe %+v", p)
	}
	for _, r := range p.Rights {
		if !r.Granted && r.Need != "see deleted objects (optional)" {
			t.Errorf("right %+v", r)
		}
	}
}
