package ldaptest

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/freeport"
)

// ds389Data is where the package puts the configuration of a new instance.
const ds389Data = "/usr/share/dirsrv/data"

// ds389Install is the remedy where it lacks.
const ds389Install = "apt-get install --no-install-recommends 389-ds-base"

// ds389Reads is the right that README names.
var ds389Reads = []string{
	`(targetattr != "userPassword")` +
		`(version 3.0; acl "rollcall"; allow (read, search, compare) userdn = "ldap:///` + Reader + `";)`,
}

// DS389 is a running 389 Directory Server with the same suffix, branches and
// accounts as a Slapd. It needs no root.
type DS389 struct {
	t    testing.TB
	dir  string
	bin  string
	port int
	proc *process
}

// DS389Options change a server. The zero value has the plug-ins USN and
// MemberOf on; MemberOf also keeps `member` in line with renamed and deleted
// entries.
type DS389Options struct {
	NoUSN      bool // no entryusn, no tell-tale
	NoMemberOf bool // names in `member` outlive their bearers (LP9)
}

// StartDS389 starts a server that ends with the test.
func StartDS389(t testing.TB, opt DS389Options) *DS389 {
	t.Helper()
	bin, err := find("ns-slapd", ds389Install)
	if err != nil {
		t.Fatal(err)
	}
	s := &DS389{t: t, dir: t.TempDir(), bin: bin}
	if s.port, err = freeport.Reserve("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if err := s.install(opt); err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Stop)
	s.fill()
	return s
}

// install writes what dscreate writes, less the system's service: the
// package's own template with folders of this instance.
func (s *DS389) install(opt DS389Options) error {
	text, err := os.ReadFile(filepath.Join(ds389Data, "template-dse.ldif"))
	if err != nil {
		return fmt.Errorf("%w: run `make prepare`, that is `%s`", err, ds389Install)
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(s.dir, name) }
	// The schema that may grow lies below the configuration, always.
	for _, dir := range []string{"etc/schema", "lock", "tmp", "cert", "ldif", "bak", "run", "inst", "log", "db"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			return err
		}
	}
	password, err := ssha512(RootPW)
	if err != nil {
		return err
	}
	dse := strings.NewReplacer(
		"%schema_dir%", at("etc/schema"), "%lock_dir%", at("lock"), "%tmp_dir%", at("tmp"), "%cert_dir%", at("cert"), "%ldif_dir%", at("ldif"),
		"%bak_dir%", at("bak"), "%run_dir%", at("run"), "%inst_dir%", at("inst"), "%log_dir%", at("log"), "%config_dir%", at("etc"),
		"%db_dir%", at("db"), "%db_home_dir%", at("db"), "%db_lib%", "bdb", "%ds_passwd%", password, "%ds_port%", fmt.Sprint(s.port),
		"%ds_user%", me.Username, "%fqdn%", "localhost", "%ldapi%", at("run/ldapi"), "%ldapi_autobind%", "off", "%ldapi_enabled%", "off",
		"%rootdn%", RootDN, "%ds_suffix%", Suffix,
	).Replace(string(text))
	entries := strings.Split(strings.ReplaceAll(dse, "\r\n", "\n"), "\n\n")
	for i, e := range entries {
		switch {
		case !opt.NoUSN && strings.Contains(e, "dn: cn=USN,"), !opt.NoMemberOf && strings.Contains(e, "dn: cn=MemberOf Plugin,"):
			entries[i] = strings.Replace(e, "nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on", 1)
		case strings.Contains(e, "dn: cn=config,cn=ldbm database,"):
			// A test's server takes neither the machine's memory nor its disk.
			entries[i] = e + "\nnsslapd-cache-autosize: 0\nnsslapd-dbcachesize: 16777216\nnsslapd-db-durable-transaction: off"
		}
	}
	if err := os.WriteFile(at("etc/schema/99user.ldif"), []byte("dn: cn=schema\n"), 0o600); err != nil {
		return err
	}
	collations, err := os.ReadFile("/etc/dirsrv/config/slapd-collations.conf")
	if err != nil {
		return err
	}
	if err := os.WriteFile(at("etc/slapd-collations.conf"), collations, 0o600); err != nil {
		return err
	}
	return os.WriteFile(at("etc/dse.ldif"), []byte(strings.Join(entries, "\n\n")), 0o600)
}

// ssha512 is a password as the server stores it; it takes no other in its
// configuration.
func ssha512(password string) (string, error) {
	salt := make([]byte, 8)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	sum := sha512.Sum512(append([]byte(password), salt...))
	return "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...)), nil
}

// fill makes the database of the suffix, its branches and the reader's
// account.
func (s *DS389) fill() {
	s.t.Helper()
	admin := s.Admin()
	s.backend(admin, "userroot", Suffix)
	for entry := range strings.SplitSeq(strings.TrimSpace(BaseLDIF), "\n\n") {
		attrs, dn := map[string][]string{}, ""
		for line := range strings.SplitSeq(entry, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			if name == "dn" {
				dn = value
				continue
			}
			attrs[name] = append(attrs[name], value)
		}
		s.add(admin, dn, attrs)
	}
	// The account may see more than 5,000 entries, as README says.
	for _, limit := range []string{"nsLookThroughLimit", "nsPagedLookThroughLimit"} {
		s.Set(Reader, limit, "-1")
	}
	s.Access()
}

func (s *DS389) add(admin *goldap.Conn, dn string, attrs map[string][]string) {
	s.t.Helper()
	req := goldap.NewAddRequest(dn, nil)
	for name, values := range attrs {
		req.Attribute(name, values)
	}
	if err := admin.Add(req); err != nil {
		s.t.Fatalf("%s: %v", dn, err)
	}
}

// backend makes an empty database for a suffix.
func (s *DS389) backend(admin *goldap.Conn, name, suffix string) {
	s.t.Helper()
	s.add(admin, "cn="+name+",cn=ldbm database,cn=plugins,cn=config", map[string][]string{
		"objectClass": {"top", "extensibleObject", "nsBackendInstance"}, "cn": {name}, "nsslapd-suffix": {suffix},
	})
	s.add(admin, `cn="`+suffix+`",cn=mapping tree,cn=config`, map[string][]string{
		"objectClass": {"top", "extensibleObject", "nsMappingTree"}, "cn": {suffix}, "nsslapd-state": {"backend"}, "nsslapd-backend": {name},
	})
}

// AddDatabase makes a further database with its top entry, cn=...: behind one
// root DSE a server keeps as many as it likes.
func (s *DS389) AddDatabase(name, suffix string) {
	s.t.Helper()
	admin := s.Admin()
	s.backend(admin, name, suffix)
	s.add(admin, suffix, map[string][]string{"objectClass": {"top", "extensibleObject"}, "cn": {strings.TrimPrefix(suffix, "cn=")}})
}

// URL is the server's address without TLS, which is loopback's privilege.
func (s *DS389) URL() string { return fmt.Sprintf("ldap://127.0.0.1:%d", s.port) }

// Addr is host:port.
func (s *DS389) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Start starts a stopped server on the same data and port.
func (s *DS389) Start() {
	s.t.Helper()
	var err error
	// Without a name for its start file, a server that root starts sets the
	// mode of /dev/null, which is its name then, to 0644.
	s.proc, err = start(s.bin, "-D", filepath.Join(s.dir, "etc"), "-d", "0", "-w", filepath.Join(s.dir, "run", "start"), "-i", filepath.Join(s.dir, "run", "pid"))
	if err == nil {
		err = s.proc.ready(s.URL())
	}
	if err != nil {
		// What it has to say stands in its log.
		said, rerr := os.ReadFile(filepath.Join(s.dir, "log", "errors"))
		s.t.Fatalf("%v\n%s%v", err, said, rerr)
	}
}

// Stop ends the server in order.
func (s *DS389) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server without a farewell.
func (s *DS389) Kill() { s.end(syscall.SIGKILL) }

func (s *DS389) end(sig syscall.Signal) {
	if s.proc == nil {
		return
	}
	if err := s.proc.stop(sig); err != nil {
		s.t.Error(err)
	}
	s.proc = nil
}

// Admin is a connection with all rights.
func (s *DS389) Admin() *goldap.Conn {
	s.t.Helper()
	return dial(s.t, s.URL(), RootDN, RootPW)
}

// Access replaces the access list of the suffix while the server runs;
// without rules the reader sees everything that README gives it.
func (s *DS389) Access(rules ...string) {
	s.t.Helper()
	if len(rules) == 0 {
		rules = ds389Reads
	}
	s.Set(Suffix, "aci", rules...)
	// The server answers first and takes the rules up afterwards; nothing that
	// it shows says when.
	time.Sleep(300 * time.Millisecond)
}

// Set replaces an attribute of an entry, one of cn=config too.
func (s *DS389) Set(dn, attr string, values ...string) {
	s.t.Helper()
	conn := s.Admin()
	req := goldap.NewModifyRequest(dn, nil)
	req.Replace(attr, values)
	if err := conn.Modify(req); err != nil {
		s.t.Fatalf("%s: %v", dn, err)
	}
}
