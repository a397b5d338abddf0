package ldaptest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	stdsync "sync"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// patience is how long a server may take to start on a busy machine.
const patience = 90 * time.Second

// process is one server.
type process struct {
	cmd  *exec.Cmd
	out  *tail
	done chan struct{}
	err  error // why it ended; read it after done
}

// tail keeps the last words of a server.
type tail struct {
	mu  stdsync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > 64<<10 {
		t.buf.Reset()
	}
	return t.buf.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// find looks for a program in PATH and where Debian puts servers.
func find(name, install string) (string, error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/lib/openldap", "/usr/libexec") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: run `make prepare`, that is `%s`", name, install)
}

func start(path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), out: &tail{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = childAttributes()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ready waits until the server answers on url.
func (p *process) ready(url string) error {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if err := p.alive(); err != nil {
			return err
		}
		conn, err := goldap.DialURL(url, goldap.DialWithDialer(&net.Dialer{Timeout: time.Second}))
		if err == nil {
			conn.SetTimeout(5 * time.Second)
			_, err = conn.Search(goldap.NewSearchRequest("", goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false,
				"(objectClass=*)", []string{"namingContexts"}, nil))
			if cerr := conn.Close(); err == nil {
				err = cerr
			}
			if err == nil {
				return p.alive()
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the server did not answer within %s\n%s", patience, p.out)
}

// alive is nil while the server runs.
func (p *process) alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("the server ended: %w\n%s", p.err, p.out)
	default:
		return nil
	}
}

// stop ends the server and waits.
func (p *process) stop(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-p.done
	}
	return nil
}

// dial opens an administrator's connection.
func dial(t testing.TB, url, name, password string) *goldap.Conn {
	t.Helper()
	conn, err := goldap.DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	// 389 takes minutes to enter a group of 20,000 with its plug-ins.
	conn.SetTimeout(10 * time.Minute)
	if err := conn.Bind(name, password); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The server may have been stopped by the test.
		_ = conn.Close()
	})
	return conn
}
