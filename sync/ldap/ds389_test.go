package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

// campus is a filled 389 directory with its administrator.
type campus struct {
	*ldaptest.DS389
	hands
}

func newCampus(t testing.TB, opt ldaptest.DS389Options, people int) *campus {
	t.Helper()
	c := &campus{DS389: ldaptest.StartDS389(t, opt)}
	c.hands = hands{t: t, admin: c.Admin()}
	c.staff(people)
	return c
}

func (c *campus) config() Config {
	return Config{
		URL: URLs{c.URL()}, BindDN: ldaptest.Reader, BindPassword: secretFile(c.t, ldaptest.ReaderPW),
		People: Branch{Base: peopleBase}, Groups: Branch{Base: groupsBase, Nested: true}, Sentinel: probeDN, PageSize: 3,
	}
}

// The suite of all sources, by entryUSN, by time with the counters there, and
// by time because the plug-in is off.
func TestSuiteOnDS389(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]ldaptest.DS389Options{"auto": {}, "timestamp": {}, "usn off": {NoUSN: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampus(t, opt, 8)
			c.group("team", personDN("p00"), personDN("p01"))
			c.group("all", "cn=team,"+groupsBase)
			names := []string{"probe"}
			for i := range 8 {
				names = append(names, fmt.Sprintf("p%02d", i))
			}
			sourcetest.Run(t, sourcetest.Fixture{
				New: func(t *testing.T) sync.Source {
					cfg := c.config()
					if name == "timestamp" {
						cfg.Delta = name
					}
					return newSource(t, cfg, Options{})
				},
				People: names,
				Revoke: func(*testing.T) {
					c.Access(`(target = "ldap:///` + groupsBase + `")(targetattr = "*")(version 3.0; acl "groups"; allow (read, search, compare) userdn = "ldap:///` + ldaptest.Reader + `";)`)
				},
				Restore: func(*testing.T) { c.Access() },
				Empty: func(t *testing.T) sync.Source {
					cfg := c.config()
					cfg.People.Base, cfg.Sentinel = "ou=alumni,"+ldaptest.Suffix, ""
					return newSource(t, cfg, Options{})
				},
			})
		})
	}
}

// LD4, LM1, LM6, LM7, LM8, LM10: every kind of change, by entryUSN.
func TestChangesByEntryUSN(t *testing.T) {
	t.Parallel()
	c := newCampus(t, ldaptest.DS389Options{}, 4)
	c.group("team", personDN("p00"), personDN("p01"))
	s := newSource(t, c.config(), Options{})
	f, cursor := full(t, s)
	id := func(uid string) string {
		who, ok := f.ByUserName(uid)
		if !ok {
			t.Fatalf("%s was not read", uid)
		}
		return who.ExternalID
	}
	p0, p1, p2 := id("p00"), id("p01"), id("p02")
	step := func(what string, change func(), want func(d *sourcetest.Collector) bool) {
		t.Helper()
		change()
		var d *sourcetest.Collector
		if d, cursor = delta(t, s, cursor); !want(d) {
			t.Errorf("%s: people %+v, gone %+v", what, d.People(), d.Gone())
		}
	}
	set := func(uid, attr string, values ...string) func() {
		return func() { c.modify(personDN(uid), func(m *goldap.ModifyRequest) { m.Replace(attr, values) }) }
	}
	active := func(id string, want bool) func(*sourcetest.Collector) bool {
		return func(d *sourcetest.Collector) bool { p, ok := d.People()[id]; return ok && p.Active == want }
	}
	step("no change", func() {}, func(d *sourcetest.Collector) bool { return len(d.People())+len(d.Gone())+len(d.Present()) == 0 })
	step("LM8 a removed mail", set("p00", "mail"), func(d *sourcetest.Collector) bool {
		v, known := d.People()[p0].Attributes["email"]
		return known && len(v) == 0 && len(d.People()) == 1
	})
	step("LM6 disabled", set("p00", "nsAccountLock", "TRUE"), func(d *sourcetest.Collector) bool {
		return !d.People()[p0].Active && d.People()[p0].Reason == "disabled"
	})
	step("enabled by false", set("p00", "nsAccountLock", "false"), active(p0, true))
	step("enabled by nothing", set("p00", "nsAccountLock"), active(p0, true))
	// LM6: a lockout that passes, an expired password are no leavers.
	step("LM6 locked out for a while", set("p00", "accountUnlockTime", "20990101000000Z"), active(p0, true))
	step("LM6 locked out until reset", set("p00", "accountUnlockTime", "19700101000000Z"), active(p0, true))
	step("LM6 password expired", set("p00", "passwordExpirationTime", "20000101000000Z"), active(p0, true))
	step("LM7 expired", func() {
		c.modify(personDN("p01"), func(m *goldap.ModifyRequest) {
			m.Add("objectClass", []string{"shadowAccount"})
			m.Add("shadowExpire", []string{"1"})
		})
	}, func(d *sourcetest.Collector) bool {
		return d.People()[p1].Reason == "expired" && slices.Equal(d.People()[p1].Attributes["accountExpires"], []string{"1970-01-02T00:00:00Z"})
	})
	step("LM10 renamed", func() { c.move(personDN("p01"), "uid=p01 renamed", "") }, func(d *sourcetest.Collector) bool {
		return d.People()[p1].DN == "uid=p01 renamed,ou=people,dc=acme,dc=com"
	})
	step("LP5 a group changes", func() {
		c.modify("cn=team,"+groupsBase, func(m *goldap.ModifyRequest) { m.Add("member", []string{personDN("p02")}) })
	}, func(d *sourcetest.Collector) bool {
		g, ok := d.ByGroupName("team")
		refs, complete := d.Members(g.ExternalID)
		return ok && complete && refs[sync.MemberRef{DN: "uid=p02,ou=people,dc=acme,dc=com"}] && refs[sync.MemberRef{DN: "uid=p01 renamed,ou=people,dc=acme,dc=com"}]
	})
	// Who moves out of the base leaves no tombstone: the sweep's business.
	step("moved out", func() { c.move("uid=p01 renamed,"+peopleBase, "uid=p01", "ou=alumni,"+ldaptest.Suffix) },
		func(d *sourcetest.Collector) bool { return d.People()[p1].ExternalID == "" })
	present := &sourcetest.Collector{}
	if err := s.Sweep(ctxFor(t), present); err != nil || present.Present()[p1] || !present.Present()[p0] {
		t.Errorf("sweep: %v, %v", present.Present(), err)
	}
	if who, err := s.Get(ctxFor(t), p1); err != nil || who.Reason != "moved" || who.Active {
		t.Errorf("AB3: %+v, %v; want moved", who, err)
	}
	step("LM10 a stranger with the old name", func() { c.person("p01") }, func(d *sourcetest.Collector) bool {
		who, ok := d.ByUserName("p01")
		return ok && who.ExternalID != p1
	})
	step("moved back", func() { c.move("uid=p01,ou=alumni,"+ldaptest.Suffix, "uid=p01 back", peopleBase) },
		func(d *sourcetest.Collector) bool {
			return d.People()[p1].DN == "uid=p01 back,ou=people,dc=acme,dc=com"
		})
	// Tombstones are the Directory Manager's alone: no access rule shows them to
	// anybody else, so to the reader a deletion is an absence.
	manager := c.config()
	manager.BindDN, manager.BindPassword = ldaptest.RootDN, secretFile(t, ldaptest.RootPW)
	root := newSource(t, manager, Options{})
	before := cursor
	step("deleted", func() { c.remove(personDN("p02")) }, func(d *sourcetest.Collector) bool { return len(d.People())+len(d.Gone()) == 0 })
	present = &sourcetest.Collector{}
	if err := s.Sweep(ctxFor(t), present); err != nil || present.Present()[p2] || !present.Present()[p1] {
		t.Errorf("sweep: %v, %v", present.Present(), err)
	}
	if _, err := s.Get(ctxFor(t), p2); !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("AB2: Get of somebody deleted: %v, want ErrAbsent with the sentinel in sight", err)
	}
	if d, _ := delta(t, root, before); d.Gone()[p2].Why != "deleted" || d.Gone()[p2].At.IsZero() || len(d.Gone()) != 1 {
		t.Errorf("LD4: the Directory Manager sees %+v", d.Gone())
	}
	if _, err := root.Get(ctxFor(t), p2); !errors.Is(err, sync.ErrDeleted) {
		t.Errorf("LD4: the Directory Manager's Get: %v, want ErrDeleted", err)
	}
	if _, err := s.Get(ctxFor(t), "00000000-0000-4000-8000-000000000000"); !errors.Is(err, sync.ErrAbsent) {
		t.Errorf("AB2: Get of nobody: %v, want ErrAbsent", err)
	}
}

// LM1: the id is the 16 bytes of nsUniqueId.
func TestUniqueIDOnDS389(t *testing.T) {
	t.Parallel()
	c := newCampus(t, ldaptest.DS389Options{}, 1)
	res, err := c.admin.Search(goldap.NewSearchRequest(personDN("p00"), goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"nsUniqueId"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	raw := res.Entries[0].GetEqualFoldAttributeValue("nsUniqueId")
	f, _ := full(t, newSource(t, c.config(), Options{}))
	who, _ := f.ByUserName("p00")
	if bare := strings.ReplaceAll(who.ExternalID, "-", ""); bare != strings.ReplaceAll(raw, "-", "") || who.ExternalID[8] != '-' || who.ExternalID[13] != '-' {
		t.Errorf("nsUniqueId %q became %q", raw, who.ExternalID)
	}
}

// FreeIPA and others keep several databases behind one root DSE, each with a
// counter: the people's one counts, and a busier one is not taken for it.
func TestSeveralDatabasesOnDS389(t *testing.T) {
	t.Parallel()
	c := newCampus(t, ldaptest.DS389Options{}, 3)
	c.AddDatabase("zlog", "cn=zlog")
	c.AddDatabase("alog", "cn=alog")
	busy := func(suffix string, n int) {
		t.Helper()
		for range n {
			c.modify(suffix, func(m *goldap.ModifyRequest) { m.Replace("description", []string{"again"}) })
		}
	}
	busy("cn=zlog", 40)
	s := newSource(t, c.config(), Options{})
	f, cursor := full(t, s)
	p0, _ := f.ByUserName("p00")
	mark := func() string {
		t.Helper()
		m, err := s.TellTale(ctxFor(t))
		if err != nil || m == "" {
			t.Fatalf("tell-tale %q, %v", m, err)
		}
		return m
	}
	for round := range 4 {
		before := mark()
		c.modify(personDN("p00"), func(m *goldap.ModifyRequest) { m.Replace("title", []string{fmt.Sprint(round)}) })
		if mark() == before {
			t.Errorf("round %d: the tell-tale stands still", round)
		}
		var d *sourcetest.Collector
		if d, cursor = delta(t, s, cursor); len(d.People()) != 1 || d.People()[p0.ExternalID].UserName != "p00" {
			t.Errorf("round %d: the delta finds %v", round, d.People())
		}
		busy("cn=alog", 3)
		if d, cursor = delta(t, s, cursor); len(d.People())+len(d.Gone()) != 0 {
			t.Errorf("round %d: another database's change brings %v %v", round, d.People(), d.Gone())
		}
	}
	before := mark()
	c.remove(personDN("p00"))
	if mark() == before {
		t.Error("the tell-tale stands still although somebody was deleted")
	}
}

// A size limit of the server is no end of the list (LP7).
func TestLimitsOnDS389(t *testing.T) {
	t.Parallel()
	c := newCampus(t, ldaptest.DS389Options{}, 12)
	cfg := c.config()
	whole, _ := full(t, newSource(t, cfg, Options{}))
	for attr, value := range map[string]string{"nsslapd-sizelimit": "5", "nsslapd-pagedsizelimit": "5"} {
		c.Set("cn=config", attr, value)
		got := &sourcetest.Collector{}
		_, err := newSource(t, cfg, Options{}).Full(ctxFor(t), sync.Cursor{}, got)
		var incomplete *sync.IncompleteError
		if err == nil && len(got.People()) != len(whole.People()) || err != nil && !errors.As(err, &incomplete) {
			t.Errorf("%s: %d people of %d, %v", attr, len(got.People()), len(whole.People()), err)
		}
		c.Set("cn=config", attr, "-1")
	}
}

// Least rights: the right that README names is enough, shows no password, and
// "test connection" names what is missing without it.
func TestLeastRightsOnDS389(t *testing.T) {
	t.Parallel()
	c := newCampus(t, ldaptest.DS389Options{}, 3)
	c.group("team", personDN("p00"))
	c.modify(personDN("p00"), func(m *goldap.ModifyRequest) { m.Replace("userPassword", []string{"correct horse battery"}) })
	s := newSource(t, c.config(), Options{})
	l, err := s.link(ctxFor(t))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := l.base(ctxFor(t), personDN("p00"), "(objectClass=*)", []string{"userPassword", "nsAccountLock", "uid"}); err != nil || e == nil ||
		len(e.GetAttributeValues("userPassword")) > 0 || e.GetAttributeValue("uid") != "p00" {
		t.Errorf("the reader sees %+v, %v", e, err)
	}
	probe, err := s.Check(ctxFor(t))
	if err != nil {
		t.Fatal(err)
	}
	if probe.People != 4 || probe.Groups != 1 || probe.Tenant == "" {
		t.Errorf("probe %+v", probe)
	}
	for _, r := range probe.Rights {
		if !r.Granted {
			t.Errorf("with README's right %q is missing: %s", r.Need, r.Why)
		}
	}
	c.Access(`(targetattr = "objectClass || uid || mail")(version 3.0; acl "some"; allow (read, search, compare) userdn = "ldap:///` + ldaptest.Reader + `";)`)
	probe, err = newSource(t, c.config(), Options{}).Check(ctxFor(t))
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, r := range probe.Rights {
		if !r.Granted {
			missing[r.Need] = r.Remedy != ""
		}
	}
	if !missing["read nsUniqueId"] || !missing["read member"] {
		t.Errorf("missing rights with their remedy: %v", missing)
	}
}

// Any sequence of changes ends in what an independent reading says: by
// entryUSN, and by time with sweeps where the plug-in is off.
func TestRandomChangesOnDS389(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]ldaptest.DS389Options{"usn": {}, "usn off": {NoUSN: true}, "no memberOf": {NoMemberOf: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampus(t, opt, 6)
			c.randomChanges(t, newSource(t, c.config(), Options{}), ds389Dialect, true)
		})
	}
}

// LD4, LD5: a server whose plug-in is switched on or off asks for a Full.
func TestPluginSwitchedOnDS389(t *testing.T) {
	t.Parallel()
	c := newCampus(t, ldaptest.DS389Options{}, 3)
	_, cursor := full(t, newSource(t, c.config(), Options{}))
	c.Set("cn=USN,cn=plugins,cn=config", "nsslapd-pluginEnabled", "off")
	c.Stop()
	c.Start()
	c.admin = c.Admin()
	s := newSource(t, c.config(), Options{})
	if m, err := s.TellTale(ctxFor(t)); m != "" || err != nil {
		t.Errorf("without the plug-in the tell-tale is %q, %v", m, err)
	}
	if _, err := s.Delta(ctxFor(t), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("%v, want ErrCursorGone", err)
	}
	_, cursor = full(t, s)
	c.modify(personDN("p00"), func(m *goldap.ModifyRequest) { m.Replace("title", []string{"Lead"}) })
	d, _ := delta(t, s, cursor)
	if who, ok := d.ByUserName("p00"); !ok || !who.Active || !slices.Equal(who.Attributes["title"], workspace.Attributes{"title": {"Lead"}}["title"]) {
		t.Errorf("LD5: by time: %+v", d.People())
	}
}
