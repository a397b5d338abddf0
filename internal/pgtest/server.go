package pgtest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/internal/freeport"
)

const (
	adminUser    = "admin"    // The superuser that initdb makes.
	ordinaryUser = "rollcall" // The owner of the tests' databases.

	startLimit = 60 * time.Second // A cold, loaded machine needs several seconds.
	stopLimit  = 30 * time.Second // A fast shutdown writes a checkpoint.
)

// Options of a server. The zero value is a durable server, as in production.
type Options struct {
	NoSync   bool     // Turns fsync and synchronous_commit off: faster, and Rollcall's store refuses to start on it.
	Settings []string // Further settings, each as name=value.
}

// Server is a running PostgreSQL of one's own. Most tests want NewDatabase; a Server is for those that stop or crash it.
// Its methods may be called from several goroutines, Stop, Crash and Restart only from one at a time.
type Server struct {
	options  Options
	bin      string // Folder of initdb and postgres.
	folder   *folder
	account  account
	password string
	port     int

	adminMu sync.Mutex
	conn    *pgx.Conn // Connection as adminUser to database postgres, made when needed.

	process *process
}

// Start makes a cluster in a temporary folder and runs it on a free loopback port. The caller ends it with Stop; if the
// calling process dies first, the kernel ends it (on Linux).
func Start(options Options) (_ *Server, err error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := newFolder(owner)
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, bin: bin, folder: dir, account: owner, password: rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.remove())
		}
	}()
	if err := s.initCluster(); err != nil {
		return nil, err
	}
	if err := s.startOnFreePort(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := s.createOrdinaryUser(ctx); err != nil {
		return nil, errors.Join(err, s.closeAdmin(), s.process.stop(syscall.SIGQUIT))
	}
	return s, nil
}

// DSN returns the address of a database for the ordinary user.
func (s *Server) DSN(database string) string { return s.address(ordinaryUser, database) }

// AdminDSN returns the address of a database for the superuser.
func (s *Server) AdminDSN(database string) string { return s.address(adminUser, database) }

// NewDatabase makes an empty database owned by the ordinary user. It lives as long as the server.
func (s *Server) NewDatabase(ctx context.Context, name string) error {
	return s.createDatabase(ctx, name, "template0")
}

// Stop shuts the server down in order and removes its folder.
func (s *Server) Stop() error {
	return errors.Join(s.closeAdmin(), s.process.stop(syscall.SIGINT), s.folder.remove())
}

// Crash ends the server at once, without a checkpoint: what was not synced to disk is lost, as after kill -9. The data stay
// for Restart.
func (s *Server) Crash() error {
	return errors.Join(s.closeAdmin(), s.process.stop(syscall.SIGQUIT))
}

// Restart runs a crashed server again on the same data and the same port, recovery included.
func (s *Server) Restart() error {
	return s.run(s.port)
}

func (s *Server) address(user, database string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}).String()
}

// initCluster runs initdb. From version 15 the default collation is ICU English, so that text does not sort by bytes:
// production clusters seldom use C, and a query whose order leans on it must fail here.
func (s *Server) initCluster() error {
	version, err := s.majorVersion()
	if err != nil {
		return err
	}
	pwfile := filepath.Join(s.folder.path, "password")
	if err := s.folder.write(pwfile, s.password); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + s.folder.data, "--username=" + adminUser, "--pwfile=" + pwfile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
	}
	if version >= 15 {
		args = append(args, "--locale-provider=icu", "--icu-locale=en-US")
	}
	if out, err := s.command("initdb", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s as %s: %w\n%s", s.folder.path, s.account.name, err, out)
	}
	return nil
}

// majorVersion asks the server binary; its answer looks like "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)".
func (s *Server) majorVersion() (int, error) {
	out, err := s.command("postgres", "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("asking %s for its version: %w", filepath.Join(s.bin, "postgres"), err)
	}
	_, rest, _ := strings.Cut(string(out), "(PostgreSQL) ")
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	version, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("no version in %q", out)
	}
	if version < oldest {
		return 0, fmt.Errorf("%s is PostgreSQL %d; Rollcall needs %d or newer", s.bin, version, oldest)
	}
	return version, nil
}

// startOnFreePort tries again when somebody who does not ask freeport took the port between our look and the server's bind.
func (s *Server) startOnFreePort() error {
	var failed error
	for range 5 {
		port, err := freeport.Reserve("127.0.0.1")
		if err != nil {
			return err
		}
		err = s.run(port)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errPortTaken) {
			return err
		}
		failed = err
	}
	return failed
}

// run starts the server process and waits until it accepts connections.
func (s *Server) run(port int) error {
	settings := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port), "unix_socket_directories=",
		"log_destination=stderr", "logging_collector=off", "log_min_messages=log", // Readiness is read from the log.
		"timezone=UTC", "shared_buffers=32MB", "max_connections=200",
	}
	if s.options.NoSync {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", s.folder.data}
	for _, setting := range append(settings, s.options.Settings...) {
		args = append(args, "-c", setting)
	}
	p, err := startProcess(s.command("postgres", args...))
	if err != nil {
		return err
	}
	s.port, s.process = port, p
	return nil
}

// command prepares a run of one of PostgreSQL's binaries as the server's account, with none of the caller's PG* settings.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.folder.path
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = childAttributes(s.account)
	return cmd
}

func (s *Server) createOrdinaryUser(ctx context.Context) error {
	return s.admin(ctx, func(conn *pgx.Conn) error {
		// The password is letters and digits; CREATE ROLE takes no bind parameters.
		_, err := conn.Exec(ctx, "CREATE ROLE "+pgx.Identifier{ordinaryUser}.Sanitize()+" LOGIN PASSWORD '"+s.password+"'")
		if err != nil {
			return fmt.Errorf("creating role %s: %w", ordinaryUser, err)
		}
		return nil
	})
}

// admin runs do on the superuser's connection, one call at a time.
func (s *Server) admin(ctx context.Context, do func(*pgx.Conn) error) error {
	s.adminMu.Lock()
	defer s.adminMu.Unlock()
	if s.conn == nil || s.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, s.AdminDSN("postgres"))
		if err != nil {
			return fmt.Errorf("connecting as superuser: %w", err)
		}
		s.conn = conn
	}
	return do(s.conn)
}

// closeAdmin ends the superuser's connection, if there is one, while the server can still hear it.
func (s *Server) closeAdmin() error {
	s.adminMu.Lock()
	defer s.adminMu.Unlock()
	if s.conn == nil || s.conn.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	return s.conn.Close(ctx)
}

var errPortTaken = errors.New("the port is taken")

// process is a running postgres. Its log is read for readiness, and its last lines are kept for error texts.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // Closed when the server accepts connections.
	done  chan struct{} // Closed when the process has ended; err is set before.
	err   error

	mu  sync.Mutex
	log []string
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ready: make(chan struct{}), done: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	started := make(chan error, 1)
	go func() {
		// The kernel's signal to an orphan (see childAttributes) follows the thread that made the child, not the process.
		// This goroutine keeps that thread until the child has ended.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err != nil {
			p.err = err
			return
		}
		p.follow(stderr)
		p.err = cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	select {
	case <-p.ready:
		return p, nil
	case <-p.done:
		log := p.tail()
		if strings.Contains(log, "could not bind") {
			return nil, fmt.Errorf("%w\n%s", errPortTaken, log)
		}
		return nil, fmt.Errorf("PostgreSQL ended while starting: %w\n%s", p.err, log)
	case <-time.After(startLimit):
		return nil, errors.Join(fmt.Errorf("PostgreSQL not ready after %s\n%s", startLimit, p.tail()), p.stop(syscall.SIGQUIT))
	}
}

// follow reads the log until the last server process has closed it.
func (p *process) follow(log io.Reader) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	announced := false
	for lines.Scan() {
		p.mu.Lock()
		if len(p.log) == 50 {
			p.log = p.log[1:]
		}
		p.log = append(p.log, lines.Text())
		p.mu.Unlock()
		if !announced && strings.Contains(lines.Text(), "database system is ready to accept connections") {
			announced = true
			close(p.ready)
		}
	}
}

func (p *process) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// stop sends one of PostgreSQL's shutdown signals (SIGINT in order, SIGQUIT at once) and waits for the end; a server that
// does not obey is killed. A server that ended before is an error, for something else took it down.
func (p *process) stop(signal syscall.Signal) error {
	select {
	case <-p.done:
		return fmt.Errorf("PostgreSQL had ended already: %v\n%s", p.cmd.ProcessState, p.tail())
	default:
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signalling PostgreSQL: %w", err)
	}
	select {
	case <-p.done:
		return nil // The exit code of an immediate shutdown is not 0, by design.
	case <-time.After(stopLimit):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing PostgreSQL: %w", err)
	}
	<-p.done
	return fmt.Errorf("PostgreSQL did not stop within %s and was killed\n%s", stopLimit, p.tail())
}
