package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync/ldap"
)

// Where the tests' people and groups lie.
const (
	slapdPeople = "ou=people," + ldaptest.Suffix
	slapdGroups = "ou=groups," + ldaptest.Suffix
	sambaPeople = "OU=people," + ldaptest.Domain
	sambaGroups = "OU=groups," + ldaptest.Domain
)

// directory is a real server that a test changes. People are called by their
// login name, which is also the first part of their DN; groups by their cn.
type directory interface {
	config() ldap.Config
	read(t testing.TB) reading
	person(uid, mail, department string)
	group(cn string, members ...string) // DNs
	personDN(uid string) string
	groupDN(cn string) string
	set(dn, attr string, values ...string)
	setDepartment(uid, department string)
	disable(uid string, off bool)
	addMember(cn, dn string)
	dropMember(cn, dn string)
	holds(cn, dn string) bool   // names it as a member
	ensureMember(cn, dn string) // also where a stale name is in the way
	rename(uid, to string)      // people keep their branch
	move(uid string, away bool) // to the alumni's branch, out of scope, or back
	remove(dn string)
	tells() bool // a tell-tale says whether anything changed
}

// entries are the operations that both kinds of server share.
type entries struct {
	t     testing.TB
	admin *goldap.Conn
}

func (s *entries) add(dn string, attrs map[string][]string) {
	s.t.Helper()
	req := goldap.NewAddRequest(dn, nil)
	for k, v := range attrs {
		req.Attribute(k, v)
	}
	if err := s.admin.Add(req); err != nil {
		s.t.Fatalf("%s: %v", dn, err)
	}
}

func (s *entries) modify(dn string, change func(*goldap.ModifyRequest)) {
	s.t.Helper()
	req := goldap.NewModifyRequest(dn, nil)
	change(req)
	if err := s.admin.Modify(req); err != nil {
		s.t.Fatalf("%s: %v", dn, err)
	}
}

func (s *entries) set(dn, attr string, values ...string) {
	s.t.Helper()
	s.modify(dn, func(m *goldap.ModifyRequest) { m.Replace(attr, values) })
}

func (s *entries) remove(dn string) {
	s.t.Helper()
	if err := s.admin.Del(goldap.NewDelRequest(dn, nil)); err != nil {
		s.t.Fatalf("%s: %v", dn, err)
	}
}

// names reports whether an attribute of an entry holds a name.
func (s *entries) names(entry, attr, dn string) bool {
	s.t.Helper()
	res, err := s.admin.Search(goldap.NewSearchRequest(entry, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{attr}, nil))
	if err != nil {
		s.t.Fatalf("%s: %v", entry, err)
	}
	return slices.ContainsFunc(res.Entries[0].GetAttributeValues(attr), func(v string) bool { return folded(v) == folded(dn) })
}

func (s *entries) modifyDN(dn, rdn, parent string) {
	s.t.Helper()
	if err := s.admin.ModifyDN(goldap.NewModifyDNRequest(dn, rdn, true, parent)); err != nil {
		s.t.Fatalf("%s: %v", dn, err)
	}
}

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

// tree is the usual tree of people and groups, on OpenLDAP and on 389.
type tree struct {
	entries
	url          string
	lock, locked string // how the server disables somebody
	blind        bool   // the server has no tell-tale
}

// openLDAP is a slapd with people.
type openLDAP struct {
	*ldaptest.Slapd
	tree
}

func newSlapd(t testing.TB, opt ldaptest.SlapdOptions) *openLDAP {
	t.Helper()
	s := &openLDAP{Slapd: ldaptest.StartSlapd(t, opt)}
	s.tree = tree{entries: entries{t: t, admin: s.Admin()}, url: s.URL(), lock: "pwdAccountLockedTime", locked: "000001010000Z"}
	s.person("probe", "probe@acme.com", "")
	return s
}

// ds389 is a 389 Directory Server with people.
type ds389 struct {
	*ldaptest.DS389
	tree
}

func newDS389(t testing.TB, opt ldaptest.DS389Options) *ds389 {
	t.Helper()
	s := &ds389{DS389: ldaptest.StartDS389(t, opt)}
	s.tree = tree{entries: entries{t: t, admin: s.Admin()}, url: s.URL(), lock: "nsAccountLock", locked: "true", blind: opt.NoUSN}
	s.person("probe", "probe@acme.com", "")
	return s
}

func (s *tree) config() ldap.Config {
	return ldap.Config{
		URL: ldap.URLs{s.url}, BindDN: ldaptest.Reader, BindPassword: secretFile(s.t, ldaptest.ReaderPW),
		People: ldap.Branch{Base: slapdPeople}, Groups: ldap.Branch{Base: slapdGroups, Nested: true}, Sentinel: s.personDN("probe"), PageSize: 7,
	}
}

func (s *tree) tells() bool { return !s.blind }

func (s *tree) read(t testing.TB) reading { return readTree(t, s) }

func (s *tree) personDN(uid string) string { return "uid=" + uid + "," + slapdPeople }

func (s *tree) groupDN(cn string) string { return "cn=" + cn + "," + slapdGroups }

func (s *tree) person(uid, mail, department string) {
	s.t.Helper()
	attrs := map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {"Person " + uid}, "sn": {uid}, "mail": {mail},
	}
	if department != "" {
		attrs["departmentNumber"] = []string{department}
	}
	s.add(s.personDN(uid), attrs)
}

func (s *tree) group(cn string, members ...string) {
	s.t.Helper()
	s.add(s.groupDN(cn), map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": members})
}

func (s *tree) setDepartment(uid, department string) {
	s.t.Helper()
	s.set(s.personDN(uid), "departmentNumber", department)
}

func (s *tree) disable(uid string, off bool) {
	s.t.Helper()
	values := []string{}
	if off {
		values = []string{s.locked}
	}
	s.set(s.personDN(uid), s.lock, values...)
}

func (s *tree) addMember(cn, dn string) {
	s.t.Helper()
	s.modify(s.groupDN(cn), func(m *goldap.ModifyRequest) { m.Add("member", []string{dn}) })
}

func (s *tree) holds(cn, dn string) bool { return s.names(s.groupDN(cn), "member", dn) }

func (s *tree) dropMember(cn, dn string) {
	s.t.Helper()
	s.modify(s.groupDN(cn), func(m *goldap.ModifyRequest) { m.Delete("member", []string{dn}) })
}

func (s *tree) ensureMember(cn, dn string) {
	s.t.Helper()
	if s.holds(cn, dn) {
		s.dropMember(cn, dn)
	}
	s.addMember(cn, dn)
}

func (s *tree) rename(uid, to string) {
	s.t.Helper()
	s.modifyDN(s.personDN(uid), "uid="+to, "")
	// What the overlay refint does: groups follow the new name.
	for _, g := range below(ldapsearch(s.t, s.url, ldaptest.RootDN, ldaptest.RootPW, ldaptest.Suffix), slapdGroups, "groupOfNames") {
		for _, m := range g["member"] {
			if folded(m) == folded(s.personDN(uid)) {
				s.modify(g.first("dn"), func(r *goldap.ModifyRequest) {
					r.Delete("member", []string{m})
					r.Add("member", []string{s.personDN(to)})
				})
			}
		}
	}
}

func (s *tree) move(uid string, away bool) {
	s.t.Helper()
	from, to := s.personDN(uid), "ou=alumni,"+ldaptest.Suffix
	if !away {
		from, to = "uid="+uid+","+to, slapdPeople
	}
	s.modifyDN(from, "uid="+uid, to)
}

// activeDirectory is a Samba domain with people.
type activeDirectory struct {
	*ldaptest.Samba
	entries
}

func newSamba(t testing.TB) *activeDirectory {
	t.Helper()
	s := &activeDirectory{Samba: ldaptest.StartSamba(t)}
	s.entries = entries{t: t, admin: s.Admin()}
	for _, ou := range []string{"people", "groups", "alumni"} {
		s.add("OU="+ou+","+ldaptest.Domain, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	s.account("rollcall", "CN=Users,"+ldaptest.Domain, nil)
	s.person("probe", "probe@acme.com", "")
	return s
}

func (s *activeDirectory) config() ldap.Config {
	return ldap.Config{
		URL: ldap.URLs{s.URL()}, BindDN: "rollcall@corp.acme.test", BindPassword: secretFile(s.t, ldaptest.DomainPW),
		People: ldap.Branch{Base: sambaPeople}, Groups: ldap.Branch{Base: sambaGroups, Nested: true}, Sentinel: s.personDN("probe"), PageSize: 7,
	}
}

func (s *activeDirectory) tells() bool { return true }

func (s *activeDirectory) read(t testing.TB) reading { return readSamba(t, s.Samba) }

func (s *activeDirectory) personDN(uid string) string { return "CN=" + uid + "," + sambaPeople }

func (s *activeDirectory) groupDN(cn string) string { return "CN=" + cn + "," + sambaGroups }

// account adds an enabled account with a password.
func (s *activeDirectory) account(name, parent string, more map[string][]string) {
	s.t.Helper()
	pw := ""
	for _, u := range utf16.Encode([]rune(`"` + ldaptest.DomainPW + `"`)) {
		pw += string([]byte{byte(u), byte(u >> 8)})
	}
	attrs := map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {name}, "userPrincipalName": {name + "@corp.acme.test"}, "displayName": {"Person " + name},
		"unicodePwd": {pw}, "userAccountControl": {"512"},
	}
	for k, v := range more {
		attrs[k] = v
	}
	s.add("CN="+name+","+parent, attrs)
}

func (s *activeDirectory) person(uid, mail, department string) {
	s.t.Helper()
	more := map[string][]string{"mail": {mail}}
	if department != "" {
		more["department"] = []string{department}
	}
	s.account(uid, sambaPeople, more)
}

func (s *activeDirectory) group(cn string, members ...string) {
	s.t.Helper()
	s.add(s.groupDN(cn), map[string][]string{"objectClass": {"group"}, "sAMAccountName": {cn}})
	if len(members) > 0 {
		s.modify(s.groupDN(cn), func(m *goldap.ModifyRequest) { m.Add("member", members) })
	}
}

func (s *activeDirectory) setDepartment(uid, department string) {
	s.t.Helper()
	s.set(s.personDN(uid), "department", department)
}

func (s *activeDirectory) disable(uid string, off bool) {
	s.t.Helper()
	bits := "512"
	if off {
		bits = "514"
	}
	s.set(s.personDN(uid), "userAccountControl", bits)
}

func (s *activeDirectory) addMember(cn, dn string) {
	s.t.Helper()
	s.modify(s.groupDN(cn), func(m *goldap.ModifyRequest) { m.Add("member", []string{dn}) })
}

func (s *activeDirectory) holds(cn, dn string) bool { return s.names(s.groupDN(cn), "member", dn) }

func (s *activeDirectory) dropMember(cn, dn string) {
	s.t.Helper()
	s.modify(s.groupDN(cn), func(m *goldap.ModifyRequest) { m.Delete("member", []string{dn}) })
}

func (s *activeDirectory) ensureMember(cn, dn string) { s.addMember(cn, dn) }

// rename changes the entry's name and both login names.
func (s *activeDirectory) rename(uid, to string) {
	s.t.Helper()
	s.modifyDN(s.personDN(uid), "CN="+to, "")
	s.set(s.personDN(to), "sAMAccountName", to)
	s.set(s.personDN(to), "userPrincipalName", to+"@corp.acme.test")
}

func (s *activeDirectory) move(uid string, away bool) {
	s.t.Helper()
	from, to := s.personDN(uid), "OU=alumni,"+ldaptest.Domain
	if !away {
		from, to = "CN="+uid+","+to, sambaPeople
	}
	s.modifyDN(from, "CN="+uid, to)
}
