package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/ldap"
)

var updateTable = flag.Bool("update", false, "write the table of faults in docs/robustness.md")

// fault is one way in which a directory lies or breaks.
type fault struct {
	name string
	what string
	full bool // polls read everything anew
	do   func(f *field)
	undo func(f *field)
}

// field is where a fault happens: a slapd behind a proxy, and a workspace that
// has been in line with it.
type field struct {
	*world
	slapd  *openLDAP
	proxy  *proxy
	secret secret.Ref
	joined int
}

// read rights of the reader; a rule before the last takes something away.
const (
	auth      = `to attrs=userPassword by anonymous auth by * none`
	readRest  = `to * by dn.exact="` + ldaptest.Reader + `" read by anonymous auth by * none`
	oslo      = "ou=oslo," + slapdPeople
	nobodySee = ` by dn.exact="` + ldaptest.Reader + `" none by * none`
)

// inFull is a fault that only a full read meets.
func inFull(f fault) fault {
	f.full = true
	return f
}

// denies are faults of the access list.
func denies(name, what, to string) fault {
	return fault{
		name: name, what: what,
		do:   func(f *field) { f.slapd.Access(auth, to+nobodySee, readRest); f.moved() },
		undo: func(f *field) { f.slapd.Access() },
	}
}

// breaks are faults of the connection: after n bytes of answers.
func breaks(how string, n int, full bool) fault {
	kind := map[bool]string{true: "full read", false: "delta"}[full]
	return fault{
		name: fmt.Sprintf("%s-%s-%d", how, strings.Fields(kind)[0], n), what: fmt.Sprintf("%s: the answers %s after %d bytes", kind, how, n), full: full,
		do:   func(f *field) { f.moved(); f.proxy.breaks(how, n) },
		undo: func(f *field) { f.proxy.heal() },
	}
}

func faults() []fault {
	none := func(*field) {}
	all := []fault{
		denies("rights-all-people", "read right lost on all people (LP6)", `to dn.subtree="`+slapdPeople+`"`),
		denies("rights-everything", "read right lost on the whole suffix", `to dn.subtree="`+ldaptest.Suffix+`"`),
		denies("rights-one-branch", "read right lost on one branch with 12 people", `to dn.subtree="`+oslo+`"`),
		denies("rights-entries", "entries of people may be found but not read", `to dn.children="`+slapdPeople+`" attrs=entry`),
		denies("rights-id", "the immutable id may no longer be read (LM1)", `to dn.children="`+slapdPeople+`" attrs=entryUUID`),
		inFull(denies("rights-mail", "one attribute, mail, may no longer be read (RD7)", `to dn.children="`+slapdPeople+`" attrs=mail`)),
		inFull(denies("rights-department", "one attribute that groups depend on may no longer be read (RD7)", `to dn.children="`+slapdPeople+`" attrs=departmentNumber`)),
		denies("rights-name", "names may no longer be read", `to dn.children="`+slapdPeople+`" attrs=cn,displayName`),
		denies("rights-filter", "the attribute that the filter tests may no longer be read", `to dn.children="`+slapdPeople+`" attrs=objectClass`),
		denies("rights-groups", "read right lost on all groups", `to dn.subtree="`+slapdGroups+`"`),
		denies("rights-member", "the members of groups may no longer be read", `to dn.subtree="`+slapdGroups+`" attrs=member`),
		denies("rights-contextcsn", "the tell-tale may no longer be read", `to dn.base="`+ldaptest.Suffix+`" attrs=contextCSN`),
		denies("rights-sentinel", "the sentinel alone may no longer be read (RD5)", `to dn.base="uid=probe,`+slapdPeople+`"`),
		denies("rights-suffix", "the entry of the suffix may no longer be read (RD8)", `to dn.base="`+ldaptest.Suffix+`"`),
		{name: "password-wrong", what: "the password is wrong", do: func(f *field) { f.moved(); f.writeSecret("other"); f.proxy.drop() }, undo: func(f *field) { f.writeSecret(ldaptest.ReaderPW) }},
		{name: "password-empty", what: "the file of the password is empty", do: func(f *field) { f.moved(); f.writeSecret("") }, undo: func(f *field) { f.writeSecret(ldaptest.ReaderPW) }},
		{name: "password-gone", what: "the file of the password is gone", do: func(f *field) { f.moved(); f.removeSecret() }, undo: func(f *field) { f.writeSecret(ldaptest.ReaderPW) }},
		{name: "bind-denied", what: "the server takes no more binds", do: func(f *field) {
			f.moved()
			f.slapd.Access(`to * by * none`)
			f.proxy.drop()
		}, undo: func(f *field) { f.slapd.Access() }},
		{name: "server-down", what: "the server is down", do: func(f *field) { f.moved(); f.slapd.Stop() }, undo: func(f *field) { f.restart() }},
		{name: "server-killed", what: "the server is killed", do: func(f *field) { f.moved(); f.slapd.Kill() }, undo: func(f *field) { f.restart() }},
		{name: "server-frozen", what: "the server answers nothing", do: func(f *field) { f.moved(); f.slapd.Freeze() }, undo: func(f *field) { f.slapd.Thaw(); f.proxy.drop() }},
		{name: "sessionlog-lost", what: "the server is restarted and its session log lost, rights on all people revoked at the same time (LP3)", do: func(f *field) {
			f.moved()
			f.slapd.Stop()
			f.restart()
			f.slapd.Access(auth, `to dn.subtree="`+slapdPeople+`"`+nobodySee, readRest)
		}, undo: func(f *field) { f.slapd.Access() }},
		{name: "slow-bleed", what: "rights revoked one person after another, over many runs: the sliding limit stops it", do: func(f *field) {
			var rules []string
			for i := range 20 {
				rules = append(rules, fmt.Sprintf(`to dn.base="uid=p%02d,%s"`, i, slapdPeople)+nobodySee)
			}
			f.slapd.Access(append(append([]string{auth}, rules...), readRest)...)
			f.moved()
		}, undo: func(f *field) { f.slapd.Access() }},
		{name: "base-moved", what: "the people's branch is renamed (code 32)", do: func(f *field) {
			f.moved()
			f.slapd.modifyDN(slapdPeople, "ou=staff", "")
		}, undo: func(f *field) { f.slapd.modifyDN("ou=staff,"+ldaptest.Suffix, "ou=people", "") }},
		{name: "branch-moved", what: "a branch with 12 people is moved out of the base: held, not removed", do: func(f *field) {
			f.slapd.modifyDN(oslo, "ou=oslo", "ou=alumni,"+ldaptest.Suffix)
		}, undo: func(f *field) { f.slapd.modifyDN("ou=oslo,ou=alumni,"+ldaptest.Suffix, "ou=oslo", slapdPeople) }},
		{name: "groups-base-moved", what: "the groups' branch is renamed", do: func(f *field) {
			f.moved()
			f.slapd.modifyDN(slapdGroups, "ou=teams", "")
		}, undo: func(f *field) { f.slapd.modifyDN("ou=teams,"+ldaptest.Suffix, "ou=groups", "") }},
		{name: "cancelled-reading", what: "the run is cancelled while it reads", full: true, do: func(f *field) { f.moved(); f.proxy.breaks("stall", 2000) }, undo: func(f *field) { f.proxy.heal() }},
		{name: "proxy-refuses", what: "every connection is closed at once", do: func(f *field) { f.moved(); f.proxy.breaks("close", 0); f.proxy.drop() }, undo: func(f *field) { f.proxy.heal() }},
		{name: "connection-dropped", what: "the kept connection has died between two polls: a new one is made", do: func(f *field) { f.proxy.drop() }, undo: none},
	}
	for _, how := range []string{"close", "reset", "stall", "garbage"} {
		for _, n := range []int{3, 700, 2500, 6000} {
			all = append(all, breaks(how, n, true))
		}
		for _, n := range []int{3, 700} {
			all = append(all, breaks(how, n, false))
		}
	}
	return all
}

// TestFaults breaks a directory in every way of the table. Nobody may lose
// access by it, the connection says why, and the next good run heals.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newSlapd(t, ldaptest.SlapdOptions{})
	s.add(oslo, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"oslo"}})
	var dns []string
	for i := range 40 {
		uid := fmt.Sprintf("p%02d", i)
		s.person(uid, uid+"@acme.com", departments[i%3])
		if i >= 28 {
			s.modifyDN(s.personDN(uid), "uid="+uid, oslo)
			continue
		}
		dns = append(dns, s.personDN(uid))
	}
	s.group("team", dns[:20]...)
	s.group("phone-admins", dns[0], dns[1])
	s.group("desk", dns[2], dns[3])
	for i, f := range faults() {
		t.Run(f.name, func(t *testing.T) { f.run(t, s, 100*i) })
	}
}

func (x *fault) run(t *testing.T, s *openLDAP, joined int) {
	p := newProxy(t, s.Addr())
	cfg := s.config()
	cfg.URL = ldap.URLs{"ldap://" + p.l.Addr().String()}
	cfg.Timeouts = ldap.Timeouts{Dial: time.Second, Bind: time.Second, Idle: time.Second, Page: 2 * time.Second}
	f := &field{slapd: s, proxy: p, secret: cfg.BindPassword, joined: joined}
	f.world = newWorld(t, cfg, sync.DefaultBrake())
	f.sync()
	f.agrees(s)
	before := f.members(true)
	x.do(f)
	marked := false
	for range 3 {
		f.offset += 20 * time.Minute
		res, err := f.try(sync.SyncOptions{Full: x.full})
		marked = marked || err != nil || len(res.Run.IncompleteWhy) > 0 || res.Run.Counts.Held > 0 || len(res.Run.Notices) > 0
		if err != nil && f.cause() == "" {
			t.Errorf("the run failed (%v), but the connection does not say why", err)
		}
	}
	if lost := lost(before, f.members(true)); lost != "" {
		t.Errorf("people lost something by a fault:\n%s", lost)
	}
	if !marked && !harmless[x.name] {
		t.Error("no run was marked with the cause")
	}
	x.undo(f)
	f.moved()
	f.offset += 30 * time.Hour // past every back-off and window
	if res, err := f.try(sync.SyncOptions{Full: x.full}); err != nil || len(res.Run.IncompleteWhy) > 0 {
		t.Fatalf("the next run: %v %v", err, res.Run.IncompleteWhy)
	}
	f.agrees(s)
	if c := f.cause(); c != "" {
		t.Errorf("after a good run the cause is still %q", c)
	}
	if h := f.holds(); len(h) > 0 {
		t.Errorf("%d plans are still held: %s", len(h), h[0].Reason)
	}
}

// harmless are faults that take nothing from a read: it goes on unmarked.
var harmless = map[string]bool{"connection-dropped": true, "rights-contextcsn": true, "rights-name": true, "rights-suffix": true}

// lost lists who has less than before; who has more is no matter.
func lost(before, after map[string]string) string {
	kept := map[string]string{}
	for mail := range before {
		if now, ok := after[mail]; ok {
			kept[mail] = now
		}
	}
	return cmp.Diff(before, kept)
}

// moved makes a change, so that the tell-tale moves and a joiner must come in
// with the next good run.
func (f *field) moved() {
	f.joined++
	uid := fmt.Sprintf("j%04d", f.joined)
	f.slapd.person(uid, uid+"@acme.com", "")
}

func (f *field) cause() (why string) {
	f.view(func(r *store.Reader) error {
		s, err := r.PollState("corp")
		why = s.Cause
		return err
	})
	return why
}

func (f *field) secretPath() string { return strings.TrimPrefix(f.secret.String(), "file:") }

func (f *field) writeSecret(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.secretPath(), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *field) removeSecret() {
	f.t.Helper()
	if err := os.Remove(f.secretPath()); err != nil {
		f.t.Fatal(err)
	}
}

// restart starts the server again, with a new connection for its
// administrator.
func (f *field) restart() {
	f.slapd.Start()
	f.slapd.admin = f.slapd.Admin()
	f.proxy.drop()
}

// TestFaultsAreListed: docs/robustness.md lists every fault with its command.
func TestFaultsAreListed(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "robustness.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("<!-- faults -->\n| # | fault | command |\n|---|---|---|\n")
	for i, f := range faults() {
		fmt.Fprintf(&table, "| %d | %s | `make robustness-%s` |\n", i+1, f.what, f.name)
	}
	table.WriteString("<!-- end -->")
	part := regexp.MustCompile(`(?s)<!-- faults -->.*<!-- end -->`)
	want := part.ReplaceAllLiteral(text, []byte(table.String()))
	if *updateTable {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" || !part.Match(text) {
		t.Errorf("the table is old, write it by go test ./internal/e2e -run Listed -update (-want +got):\n%s", diff)
	}
	if n := len(faults()); n < 50 {
		t.Errorf("%d faults are listed, 50 are wanted", n)
	}
}
