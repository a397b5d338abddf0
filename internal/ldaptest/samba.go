package ldaptest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// Names of every Samba domain of this package.
const (
	Domain    = "DC=corp,DC=acme,DC=test"
	DomainPW  = "Passw0rd-Acme!"
	AdminName = `CORP\Administrator`
)

const sambaInstall = "apt-get install samba-ad-dc samba-ad-provision"

// Samba is a running Active Directory domain controller, on ports 389 and 636
// of a loopback address of its own: Samba knows no other ports, and ports
// below 1024 are root's (or need net.ipv4.ip_unprivileged_port_start=0).
type Samba struct {
	t    testing.TB
	dir  string
	addr string
	bin  string
	proc *process
}

// StartSamba starts a fresh domain that ends with the test. The first call on
// a machine provisions it, which takes half a minute; later ones copy that.
func StartSamba(t testing.TB) *Samba {
	t.Helper()
	bin, err := find("samba", sambaInstall)
	if err != nil {
		t.Fatal(err)
	}
	s := &Samba{t: t, dir: t.TempDir(), bin: bin}
	if s.addr, err = freeAddress(); err != nil {
		t.Fatal(err)
	}
	domain, err := provisioned(bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := copyTree(domain, s.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.conf(), []byte(sambaConf(s.dir, s.addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

func (s *Samba) conf() string { return filepath.Join(s.dir, "etc", "smb.conf") }

func sambaConf(dir, addr string) string {
	return fmt.Sprintf(`[global]
	realm = CORP.ACME.TEST
	workgroup = CORP
	netbios name = DC1
	server role = active directory domain controller
	server services = ldap
	dcerpc endpoint servers = none
	interfaces = %[2]s/8
	bind interfaces only = yes
	disable netbios = yes
	ldap server require strong auth = no
	private dir = %[1]s/private
	state directory = %[1]s/state
	cache directory = %[1]s/cache
	lock directory = %[1]s
	pid directory = %[1]s
	binddns dir = %[1]s/bind-dns
	ncalrpc dir = %[1]s/ncalrpc
	log file = %[1]s/log.samba
`, dir, addr)
}

// freeAddress finds a loopback address where ports 389 and 636 are free.
func freeAddress() (string, error) {
	var last error
	for range 50 {
		addr := fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(128), rand.IntN(256), 1+rand.IntN(254))
		last = nil
		for _, port := range []string{"389", "636"} {
			l, err := net.Listen("tcp", net.JoinHostPort(addr, port))
			if err == nil {
				err = l.Close()
			}
			last = errors.Join(last, err)
		}
		if last == nil {
			return addr, nil
		}
	}
	return "", fmt.Errorf("no loopback address with free ports 389 and 636: run the tests as root, or set net.ipv4.ip_unprivileged_port_start=0: %w", last)
}

// provisioned gives the folder of a domain that nobody uses, made once per
// machine, account, release of Samba and month: the passwords of a domain end
// after 42 days.
func provisioned(bin string) (_ string, err error) {
	tool, err := find("samba-tool", sambaInstall)
	if err != nil {
		return "", err
	}
	version, err := exec.Command(bin, "--version").Output()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(version)
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("rollcall-ldaptest-samba-%d-%s-%s", os.Getuid(), hex.EncodeToString(sum[:6]), time.Now().Format("2006-01")))
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fresh, err := os.MkdirTemp("", "rollcall-ldaptest-provision-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command(tool, "domain", "provision", "--targetdir="+fresh, "--realm=CORP.ACME.TEST", "--domain=CORP",
		"--server-role=dc", "--adminpass="+DomainPW, "--dns-backend=NONE", "--host-ip=127.0.0.1", "--host-name=DC1", "--use-rfc2307")
	cmd.SysProcAttr = childAttributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("samba-tool domain provision: %w (%s)\n%s", err, sambaInstall, out), os.RemoveAll(fresh))
	}
	return dir, os.Rename(fresh, dir)
}

// copyTree copies plain files and folders; sockets of a running server are
// left out.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, info.Mode().Perm())
		case info.Mode().IsRegular():
			return copyFile(path, target, info.Mode().Perm())
		}
		return nil
	})
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// URL is the server's address without TLS, which is loopback's privilege.
func (s *Samba) URL() string { return "ldap://" + s.addr }

// Addr is host:port.
func (s *Samba) Addr() string { return s.addr + ":389" }

// Start starts a stopped server on the same data and address.
func (s *Samba) Start() {
	s.t.Helper()
	var err error
	s.proc, err = start(s.bin, "-i", "-M", "single", "--no-process-group", "--debug-stdout", "-s", s.conf())
	if err == nil {
		err = s.proc.ready(s.URL())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Stop ends the server.
func (s *Samba) Stop() {
	if s.proc == nil {
		return
	}
	if err := s.proc.stop(syscall.SIGTERM); err != nil {
		s.t.Error(err)
	}
	s.proc = nil
}

// Admin is a connection with all rights.
func (s *Samba) Admin() *goldap.Conn {
	s.t.Helper()
	return dial(s.t, s.URL(), AdminName, DomainPW)
}
