package ldap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	stdsync "sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/ldaptest/script"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// sid is a security identifier that ends with a number.
func sid(last uint32) string {
	b := []byte{1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0}
	return string(binary.LittleEndian.AppendUint32(b, last))
}

func guid(n int) string { u := uuidOf(n); return string(u[:]) }

// fakeAD looks like a Windows domain controller: it cuts groups at 1,500
// members (which Samba does not) and counts changes.
type fakeAD struct {
	mu       stdsync.Mutex
	members  int
	usn      string // of the group
	movesAt  int    // ask number at which the group changes; 0: never
	asked    int
	counter  int
	noUAC    bool
	settings string
}

func (f *fakeAD) start(t *testing.T) *actor {
	const nc = "DC=corp,DC=acme,DC=test"
	f.settings = "CN=NTDS Settings,CN=DC1,CN=Configuration," + nc
	d := &script.Directory{Root: map[string][]string{
		"supportedCapabilities": {oidADCaps}, "namingContexts": {nc}, "supportedControl": {oidPaging, oidShowDeleted},
		"dsServiceName": {f.settings},
	}}
	d.Entries = []script.Entry{
		{DN: nc, Attrs: map[string][]string{"objectClass": {"domain"}, "objectGUID": {guid(-1)}}},
		{DN: f.settings, Attrs: map[string][]string{"objectClass": {"nTDSDSA"}, "invocationId": {guid(-3)}}},
		{DN: "OU=people," + nc, Attrs: map[string][]string{"objectClass": {"organizationalUnit"}}},
		{DN: "OU=groups," + nc, Attrs: map[string][]string{"objectClass": {"organizationalUnit"}}},
		{DN: "CN=big,OU=groups," + nc, Attrs: map[string][]string{
			"objectClass": {"group"}, "cn": {"big"}, "objectGUID": {guid(500)}, "objectSid": {sid(777)}, "member;range=0-1499": {"CN=u0,OU=people," + nc},
		}},
	}
	for i := range 4 {
		attrs := map[string][]string{
			"objectClass": {"user"}, "objectCategory": {"person"}, "sAMAccountName": {fmt.Sprintf("u%d", i)}, "objectGUID": {guid(i)},
			"userAccountControl": {"512"}, "uSNChanged": {strconv.Itoa(100 + i)},
		}
		if f.noUAC {
			delete(attrs, "userAccountControl")
		}
		d.Entries = append(d.Entries, script.Entry{DN: fmt.Sprintf("CN=u%d,OU=people,%s", i, nc), Attrs: attrs})
	}
	f.counter = 200
	return newActor(t, d, f.trouble)
}

func (f *fakeAD) trouble(d *script.Directory, c *script.Conn, r *script.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	d.Root["highestCommittedUSN"] = []string{strconv.Itoa(f.counter)}
	if r.Base == "" {
		c.Entry(r, "", d.Root)
		c.Done(r, 0)
		return true
	}
	for _, a := range r.Attrs {
		bounds, ok := strings.CutPrefix(a, "member;range=")
		if !ok {
			continue
		}
		f.asked++
		if f.asked == f.movesAt {
			f.usn += "1"
		}
		var from, to int
		if _, err := fmt.Sscanf(bounds, "%d-%d", &from, &to); err != nil {
			c.Done(r, goldap.LDAPResultProtocolError)
			return true
		}
		last := to >= f.members-1
		to = min(to, f.members-1)
		name := fmt.Sprintf("member;range=%d-%d", from, to)
		if last {
			name = fmt.Sprintf("member;range=%d-*", from)
		}
		var values []string
		for i := from; i <= to; i++ {
			values = append(values, fmt.Sprintf("CN=m%d,OU=people,DC=corp,DC=acme,DC=test", i))
		}
		c.Entry(r, r.Base, map[string][]string{name: values, "uSNChanged": {f.usn}})
		c.Done(r, 0)
		return true
	}
	return false
}

func (f *fakeAD) config(t *testing.T, a *actor) Config {
	cfg := a.config(t)
	cfg.People.Base, cfg.Groups.Base = "OU=people,DC=corp,DC=acme,DC=test", "OU=groups,DC=corp,DC=acme,DC=test"
	return cfg
}

// LC9, LM4: a group of 4,001 members comes in three ranges, is begun again
// when it changes in between, and looks empty to nobody.
func TestRanges(t *testing.T) {
	t.Parallel()
	for name, moves := range map[string]int{"quiet": 0, "changed while reading": 2} {
		f := &fakeAD{members: 4001, usn: "9", movesAt: moves}
		a := f.start(t)
		c, _ := full(t, newSource(t, f.config(t, a), Options{}))
		g, _ := c.ByGroupName("big")
		refs, complete := c.Members(g.ExternalID)
		if !complete || len(refs) != 4001 || !refs[sync.MemberRef{DN: "cn=m4000,ou=people,dc=corp,dc=acme,dc=test"}] {
			t.Errorf("%s: %d members, complete %v", name, len(refs), complete)
		}
		if want := map[bool]int{true: 3, false: 5}[moves == 0]; f.asked != want {
			t.Errorf("%s: %d ranges asked, want %d", name, f.asked, want)
		}
	}
}

// LM6, EV3: without a readable userAccountControl nobody knows who is
// disabled: the entries are partial, state no `active`, and prove nothing.
func TestUnreadableFlag(t *testing.T) {
	t.Parallel()
	f := &fakeAD{members: 1, usn: "9", noUAC: true}
	a := f.start(t)
	c := &sourcetest.Collector{}
	_, err := newSource(t, f.config(t, a), Options{}).Full(ctxFor(t), sync.Cursor{}, c)
	var incomplete *sync.IncompleteError
	if !errors.As(err, &incomplete) || len(c.Proofs()) != 0 {
		t.Fatalf("%v, %v", err, c.Proofs())
	}
	for id, who := range c.People() {
		if !c.Partial(id) || who.Attributes["active"] != nil || who.Active {
			t.Errorf("%+v", who)
		}
		if _, stated := who.Attributes["title"]; stated {
			t.Error("LM8: a partial entry states what it lacks as empty")
		}
	}
}

// LD2, LP4: another database or a counter that went back is a Full.
func TestDomainControllerChanged(t *testing.T) {
	t.Parallel()
	f := &fakeAD{members: 1, usn: "9"}
	a := f.start(t)
	s := newSource(t, f.config(t, a), Options{})
	_, cursor := full(t, s)
	f.counter = 150
	if _, err := s.Delta(ctxFor(t), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("LP4: counter went back: %v", err)
	}
	f.counter = 300
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	a.dir.Entries[1].Attrs["invocationId"] = []string{guid(-4)}
	if _, err := s.Delta(ctxFor(t), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("LD2: new invocationId: %v", err)
	}
}

// fake389 looks like 389 Directory Server with its USN plug-in.
func fake389(t *testing.T) (*actor, *script.Directory) {
	unique := func(n int) string { s, _ := uniqueIDOf(uuidOf(n).String()); return s }
	d := &script.Directory{Root: map[string][]string{
		"vendorVersion": {"389-Directory/2.3.6 B2024.1"}, "namingContexts": {"dc=acme,dc=com"}, "supportedControl": {oidPaging},
		"lastusn;userroot": {"50"},
	}}
	d.Entries = []script.Entry{
		{DN: "dc=acme,dc=com", Attrs: map[string][]string{"objectClass": {"domain"}, "nsUniqueId": {unique(-1)}}},
		{DN: "ou=people,dc=acme,dc=com", Attrs: map[string][]string{"objectClass": {"organizationalUnit"}}},
		{DN: "ou=groups,dc=acme,dc=com", Attrs: map[string][]string{"objectClass": {"organizationalUnit"}}},
	}
	for i := range 5 {
		d.Entries = append(d.Entries, script.Entry{DN: fmt.Sprintf("uid=p%d,ou=people,dc=acme,dc=com", i), Attrs: map[string][]string{
			"objectClass": {"inetOrgPerson"}, "uid": {fmt.Sprintf("p%d", i)}, "nsUniqueId": {unique(i)}, "entryusn": {strconv.Itoa(10 + i)},
		}})
	}
	return newActor(t, d, func(d *script.Directory, c *script.Conn, r *script.Request) bool {
		if r.Base == "" {
			c.Entry(r, "", d.Root)
			c.Done(r, 0)
			return true
		}
		return false
	}), d
}

// LD4, LM1, LM6: 389 by entryUSN, with tombstones and nsAccountLock.
func TestDS389(t *testing.T) {
	t.Parallel()
	a, d := fake389(t)
	s := newSource(t, a.config(t), Options{})
	c, cursor := full(t, s)
	who, ok := c.ByUserName("p3")
	if !ok || who.ExternalID != uuidOf(3).String() || !who.Active {
		t.Fatalf("LM1: %+v", who)
	}
	if d, _ := delta(t, s, cursor); len(d.People())+len(d.Gone()) != 0 {
		t.Errorf("no change: %v %v", d.People(), d.Gone())
	}
	d.Entries[6].Attrs["nsAccountLock"], d.Entries[6].Attrs["entryusn"] = []string{"TRUE"}, []string{"51"}
	gone := d.Entries[4].Attrs["nsUniqueId"][0]
	d.Entries[4] = script.Entry{DN: "nsuniqueid=" + gone + ",uid=p1,ou=people,dc=acme,dc=com", Attrs: map[string][]string{
		"objectClass": {"nsTombstone"}, "nsUniqueId": {gone}, "entryusn": {"52"}, "modifyTimestamp": {"20260102030405Z"},
	}}
	d.Root["lastusn;userroot"] = []string{"52"}
	changed, cursor := delta(t, s, cursor)
	if who := changed.People()[uuidOf(3).String()]; len(changed.People()) != 1 || who.Reason != "disabled" {
		t.Errorf("LM6: %+v", changed.People())
	}
	if g := changed.Gone()[uuidOf(1).String()]; g.Why != "deleted" || g.At.Year() != 2026 {
		t.Errorf("LD4: tombstone %+v", changed.Gone())
	}
	if _, err := s.Get(ctxFor(t), uuidOf(1).String()); !errors.Is(err, sync.ErrDeleted) {
		t.Errorf("Get of a tombstone: %v", err)
	}
	d.Root["lastusn;userroot"] = []string{"7"}
	if _, err := s.Delta(ctxFor(t), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("LP4: %v, want ErrCursorGone", err)
	}
}
