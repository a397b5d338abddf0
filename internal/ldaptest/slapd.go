package ldaptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/freeport"
)

// Names of every slapd of this package.
const (
	Suffix   = "dc=acme,dc=com"
	RootDN   = "cn=admin," + Suffix
	RootPW   = "root-secret"
	Reader   = "cn=rollcall,ou=services," + Suffix
	ReaderPW = "reader-secret"
)

// readAll is the access list that a fresh server has.
var readAll = []string{
	`to attrs=userPassword by anonymous auth by * none`,
	`to * by dn.exact="` + Reader + `" read by anonymous auth by * none`,
}

// Slapd is a running OpenLDAP server with the overlays syncprov, memberof
// and ppolicy, and the suffix, branches and reader's account in it.
type Slapd struct {
	t       testing.TB
	dir     string
	binary  string
	port    int
	tlsPort int
	proc    *process
	Authority
}

// SlapdOptions change a server. The zero value is usable.
type SlapdOptions struct {
	SessionLog int    // syncprov-sessionlog; 0: 1000, below zero: none
	Limits     string // a line `limits ...` or `sizelimit ...` of slapd.conf
	NoSync     bool   // no syncprov overlay: no contextCSN
	LDIF       string // a file that slapadd loads; the suffix must be in it
}

// StartSlapd starts a server that ends with the test.
func StartSlapd(t testing.TB, opt SlapdOptions) *Slapd {
	t.Helper()
	binary, err := find("slapd", "apt-get install slapd ldap-utils")
	if err != nil {
		t.Fatal(err)
	}
	s := &Slapd{t: t, dir: t.TempDir(), binary: binary, Authority: newAuthority(t, "127.0.0.1", "localhost")}
	if s.port, err = freeport.Reserve("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if s.tlsPort, err = freeport.Reserve("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.conf(), []byte(s.configuration(opt)), 0o600); err != nil {
		t.Fatal(err)
	}
	load := opt.LDIF
	if load == "" {
		load = filepath.Join(s.dir, "base.ldif")
		if err := os.WriteFile(load, []byte(BaseLDIF), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	add := exec.Command(binary, "-Ta", "-q", "-f", s.conf(), "-l", load)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// BaseLDIF is what a fresh server holds.
const BaseLDIF = `dn: dc=acme,dc=com
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: ou=people,dc=acme,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=alumni,dc=acme,dc=com
objectClass: organizationalUnit
ou: alumni

dn: ou=groups,dc=acme,dc=com
objectClass: organizationalUnit
ou: groups

dn: ou=services,dc=acme,dc=com
objectClass: organizationalUnit
ou: services

dn: cn=rollcall,ou=services,dc=acme,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: rollcall
userPassword: reader-secret

`

func (s *Slapd) conf() string { return filepath.Join(s.dir, "slapd.conf") }

func (s *Slapd) configuration(opt SlapdOptions) string {
	var b strings.Builder
	for _, schema := range []string{"core", "cosine", "inetorgperson", "nis"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", schema)
	}
	b.WriteString("modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload syncprov\nmoduleload memberof\nmoduleload ppolicy\n")
	fmt.Fprintf(&b, "pidfile %[1]s/slapd.pid\nTLSCACertificateFile %[2]s\nTLSCertificateFile %[3]s\nTLSCertificateKeyFile %[4]s\nTLSVerifyClient try\n",
		s.dir, s.CAFile, s.CertFile, s.KeyFile)
	b.WriteString("sizelimit unlimited\n")
	// A client certificate named cn=rollcall-client is the reader.
	fmt.Fprintf(&b, "authz-regexp \"^cn=rollcall-client$\" \"%s\"\n", Reader)
	b.WriteString("database config\nrootpw " + RootPW + "\n")
	fmt.Fprintf(&b, "database mdb\nsuffix %q\nrootdn %q\nrootpw %s\ndirectory %s/db\nmaxsize 2147483648\n", Suffix, RootDN, RootPW, s.dir)
	b.WriteString("dbnosync\nindex objectClass,entryUUID,entryCSN,uid,member eq\n")
	for _, rule := range readAll {
		b.WriteString("access " + rule + "\n")
	}
	if opt.Limits != "" {
		b.WriteString(opt.Limits + "\n")
	}
	if !opt.NoSync {
		b.WriteString("overlay syncprov\nsyncprov-checkpoint 1 1\n")
		switch {
		case opt.SessionLog == 0:
			b.WriteString("syncprov-sessionlog 1000\n")
		case opt.SessionLog > 0:
			fmt.Fprintf(&b, "syncprov-sessionlog %d\n", opt.SessionLog)
		}
	}
	b.WriteString("overlay memberof\noverlay ppolicy\n")
	return b.String()
}

// URL is the server's address without TLS; TLSURL the one with.
func (s *Slapd) URL() string { return fmt.Sprintf("ldap://127.0.0.1:%d", s.port) }

// TLSURL needs the authority's certificate.
func (s *Slapd) TLSURL() string { return fmt.Sprintf("ldaps://127.0.0.1:%d", s.tlsPort) }

// Addr is host:port without TLS.
func (s *Slapd) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Start starts a stopped server on the same data and port.
func (s *Slapd) Start() {
	s.t.Helper()
	var err error
	s.proc, err = start(s.binary, "-d", "0", "-f", s.conf(), "-h", s.URL()+" "+s.TLSURL())
	if err == nil {
		err = s.proc.ready(s.URL())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Stop ends the server in order.
func (s *Slapd) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server without a farewell.
func (s *Slapd) Kill() { s.end(syscall.SIGKILL) }

func (s *Slapd) end(sig syscall.Signal) {
	if s.proc == nil {
		return
	}
	if err := s.proc.stop(sig); err != nil {
		s.t.Error(err)
	}
	s.proc = nil
}

// Freeze stops the server's process without closing anything; Thaw lets it go
// on. It returns when no thread of the server runs.
func (s *Slapd) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(patience); !frozen(s.proc.cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("the server was told to stop and goes on")
		}
	}
}

// Thaw ends Freeze.
func (s *Slapd) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Slapd) signal(sig syscall.Signal) {
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}

// Admin is a connection with all rights.
func (s *Slapd) Admin() *goldap.Conn {
	s.t.Helper()
	return dial(s.t, s.URL(), RootDN, RootPW)
}

// Access replaces the access list while the server runs; without rules the
// reader sees everything again.
func (s *Slapd) Access(rules ...string) {
	s.t.Helper()
	if len(rules) == 0 {
		rules = readAll
	}
	conn := dial(s.t, s.URL(), "cn=config", RootPW)
	req := goldap.NewModifyRequest("olcDatabase={1}mdb,cn=config", nil)
	req.Replace("olcAccess", rules)
	if err := conn.Modify(req); err != nil {
		s.t.Fatal(err)
	}
}
