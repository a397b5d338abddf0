package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	stdsync "sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// What a daemon of the kill tests is told: behind which writing statement it
// ends itself, once the file is there. The file holds the number, from 1.
const killFile = "ROLLCALL_TEST_KILL_FILE"

// killable is the program with the seams of the kill tests: kill -9 at each
// step, and lines of a dead deliverer that are soon free.
func killable() {
	if path := os.Getenv(killFile); path != "" {
		seams.trace = killAt(path)
		seams.lease = 400 * time.Millisecond
	}
	main()
}

// killAt counts writing statements, BEGIN and COMMIT included, from the moment
// the file is there, and ends the process behind the one that it names.
func killAt(path string) func(text string, rows int64) {
	var mu stdsync.Mutex
	at, seen := 0, 0
	return func(text string, _ int64) {
		if strings.HasPrefix(text, "SELECT") {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if at == 0 {
			content, err := os.ReadFile(path)
			if err != nil {
				return
			}
			if at, err = strconv.Atoi(string(content)); err != nil {
				return
			}
		}
		if seen++; seen == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}

// killsWanted is how many kills a test makes: a few, or as many as ROLLCALL_KILLS
// says (make kill).
func killsWanted(few int) int {
	if n, err := strconv.Atoi(os.Getenv("ROLLCALL_KILLS")); err == nil && n > 0 {
		return n
	}
	return few
}

// killWorld is a daemon that dies again and again, with its store and the
// receiver that it tells.
type killWorld struct {
	*testing.T
	file, arm, token string
	database         *sql.DB
	receiver         *killReceiver
	base, admin      string // of the running daemon: SCIM, and the operators' listener
	cmd              *exec.Cmd
	kills            int
}

const killMapping = `version: 1
owner: ann@acme.com
default_country: "NO"
pools: {office: {prefix: "+4722"}}
groups:
  - {id: g-dept, to: {attr: department}, create: true}
numbers:
  - {id: n-pool, access: exclusive, from: [keep, reserved, {pool: office}]}
`

// killEngines runs a test on SQLite and on PostgreSQL.
func killEngines(t *testing.T, test func(w *killWorld)) {
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "rollcall.db")
		db, err := sql.Open("sqlite", "file:"+file+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
		if err != nil {
			t.Fatal(err)
		}
		test(newKillWorld(t, "sqlite:"+file, "", db))
	})
	t.Run("postgres", func(t *testing.T) {
		server, err := pgtest.Start(pgtest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
		test(onPostgres(t, server))
	})
}

// onPostgres is a world on a database of the server.
func onPostgres(t *testing.T, server *pgtest.Server) *killWorld {
	t.Helper()
	if err := server.NewDatabase(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
	dsn, err := url.Parse(server.DSN("killed"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := dsn.User.Password()
	dsn.User = url.User(dsn.User.Username())
	return newKillWorld(t, dsn.String(), password, db)
}

func newKillWorld(t *testing.T, database, password string, db *sql.DB) *killWorld {
	t.Helper()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	w := &killWorld{T: t, file: filepath.Join(dir, "rollcall.yaml"), arm: filepath.Join(dir, "arm"), database: db, receiver: newKillReceiver(t)}
	config := fmt.Sprintf(`listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
database: %q
%sworkspaces:
  - id: acme
    owners: [ann@acme.com]
    connections: [{id: okta, kind: scim, profile: okta, rate: 100000}]
    mapping: mapping.yaml
events:
  webhooks: [{id: phone, url: %q, secret: file:secret}]
  allow_private_networks: [127.0.0.0/8]
`, database, map[bool]string{true: "", false: "database_password: file:password\n"}[password == ""], w.receiver.URL)
	var numbers strings.Builder
	numbers.WriteString("number,name,type,pool\n")
	for i := range 40 {
		fmt.Fprintf(&numbers, "+47220001%02d,Line %d,local,office\n", i, i)
	}
	for name, content := range map[string]string{
		"rollcall.yaml": config, "mapping.yaml": killMapping, "secret": outboxSecret, "password": password, "numbers.csv": numbers.String(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.token = strings.TrimSpace(w.command("token", "create", "--connection", "okta"))
	w.command("numbers", "import", filepath.Join(dir, "numbers.csv"), "--as", "ann@acme.com")
	return w
}

func (w *killWorld) command(args ...string) string {
	w.Helper()
	var out, errs bytes.Buffer
	if code := run(w.Context(), append(args, "--config", w.file), &environment{out: &out, err: &errs}); code != exitDone {
		w.Fatalf("%v: exit %d: %s", args, code, &errs)
	}
	return out.String()
}

// start starts the daemon; it is ready when start returns.
func (w *killWorld) start() {
	w.Helper()
	cmd := exec.Command("rollcall", "serve", "--config", w.file)
	cmd.Env = append(os.Environ(), killFile+"="+w.arm)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	var log strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		var line struct{ Msg, SCIM, Admin string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			go func() {
				for lines.Scan() { // a full pipe would stop the daemon
				}
			}()
			w.cmd, w.base, w.admin = cmd, line.SCIM, line.Admin
			return
		}
	}
	endKilled(cmd)
	w.Fatalf("the daemon does not start again:\n%s", log.String())
}

// kill kills the daemon, if it has not done so itself.
func (w *killWorld) kill() {
	endKilled(w.cmd)
	w.kills++
}

// endKilled kills a daemon; that it was killed is no news.
func endKilled(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// send sends one request; status 0 means that no answer came.
func (w *killWorld) send(method, path, body string) (int, string) {
	r, err := http.NewRequest(method, w.base+path, strings.NewReader(body))
	if err != nil {
		w.Error(err)
		return 0, ""
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		return 0, "" // the answer was cut: not acknowledged
	}
	return answer.StatusCode, text.String()
}

// killPerson is a person as one client knows them.
type killPerson struct {
	name   string
	id     string // "" while there is no User
	active bool
	dept   int
	// unsure: the last request got no answer, so either is possible.
	unsure bool
}

const (
	killCreate = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"externalId":%q,"active":true,` +
		`"emails":[{"value":%q,"type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Dept %d"}}`
	killPatch  = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":%s}]}`
	killActive = `{"active":%v}`
	killDept   = `{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"Dept %d"}`
)

// step makes one request about a person; false means that the daemon is dead.
func (w *killWorld) step(p *killPerson) bool {
	want := *p
	var status int
	var body string
	switch n := rand.IntN(10); {
	case p.id == "":
		want.dept, want.active = rand.IntN(3), true
		status, body = w.send(http.MethodPost, "/Users", fmt.Sprintf(killCreate, p.name, p.name, p.name, want.dept))
	case n < 5:
		want.active = !p.active
		status, body = w.send(http.MethodPatch, "/Users/"+p.id, fmt.Sprintf(killPatch, fmt.Sprintf(killActive, want.active)))
	case n < 9:
		want.dept = rand.IntN(3)
		status, body = w.send(http.MethodPatch, "/Users/"+p.id, fmt.Sprintf(killPatch, fmt.Sprintf(killDept, want.dept)))
	default:
		want.id, want.active = "", false
		status, body = w.send(http.MethodDelete, "/Users/"+p.id, "")
	}
	switch status {
	case http.StatusCreated, http.StatusOK, http.StatusNoContent:
	case 0:
		p.unsure = true
		return false
	case http.StatusServiceUnavailable:
		p.unsure = true // the store said nothing: either may be
		return true
	default:
		w.Errorf("%s: %d %s", p.name, status, body)
		return false
	}
	if p.id == "" {
		var user struct{ ID string }
		if err := json.Unmarshal([]byte(body), &user); err != nil {
			w.Error(err)
			return false
		}
		want.id = user.ID
	}
	*p = want
	return true
}

// look asks for what the daemon says of a person after a restart. What was
// answered is there; of what was not, either is right (DU1, DU3). It gives false
// when the daemon is dead.
func (w *killWorld) look(p *killPerson) bool {
	w.Helper()
	status, body := w.send(http.MethodGet, "/Users?filter="+url.QueryEscape(`userName eq "`+p.name+`"`), "")
	var list struct {
		Resources []struct {
			ID     string
			Active bool
		}
	}
	if status == 0 || status == http.StatusServiceUnavailable {
		return status != 0
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK || len(list.Resources) > 1 {
		w.Errorf("%s: %d %v %s", p.name, status, err, body)
		return false
	}
	now := killPerson{name: p.name, dept: p.dept}
	if len(list.Resources) == 1 {
		now.id, now.active = list.Resources[0].ID, list.Resources[0].Active
	}
	if !p.unsure && (now.id != p.id || now.active != p.active) {
		w.Errorf("%s: answered with id %q active %v; after the kill it is id %q active %v", p.name, p.id, p.active, now.id, now.active)
	}
	*p = now
	return true
}

// TestRandomKills kills the daemon at any moment under clients who write and a
// receiver that fails 5 % of the time (FT01, OB10): nothing that was answered
// is lost, no event is lost or out of order, what comes twice has the same id
// and the same bytes, and who replays the events gets the store's state.
func TestRandomKills(t *testing.T) {
	killEngines(t, func(w *killWorld) {
		people := make([]*killPerson, 24)
		for i := range people {
			people[i] = &killPerson{name: fmt.Sprintf("p%02d@acme.com", i)}
		}
		answered, ended := 0, 0
		var mu stdsync.Mutex
		for range killsWanted(6) {
			w.start()
			for _, p := range people {
				w.look(p)
			}
			if w.Failed() {
				w.kill()
				return
			}
			// In the middle of the work, however fast the machine is.
			enough, late := 1+rand.IntN(30), time.AfterFunc(5*time.Second, func() { _ = w.cmd.Process.Kill() })
			var clients stdsync.WaitGroup
			for c := range 4 {
				clients.Go(func() {
					for {
						p := people[c*6+rand.IntN(6)]
						if p.unsure && !w.look(p) { // the store was away for a moment
							return
						}
						was := p.active
						if !w.step(p) {
							return
						}
						mu.Lock()
						answered++
						if was && !p.active {
							ended++
						}
						if enough--; enough == 0 {
							time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, func() { _ = w.cmd.Process.Kill() })
						}
						mu.Unlock()
					}
				})
			}
			clients.Wait()
			late.Stop()
			w.kill()
		}
		w.start()
		defer w.kill()
		for _, p := range people {
			w.look(p)
		}
		w.settled()
		for _, p := range people {
			if rows := w.rows(`SELECT state FROM member WHERE email = '` + p.name + `' AND state <> 'removed'`); len(rows) == 1 && (rows[0][0] == "active") != p.active {
				w.Errorf("%s: the User is active %v, the member %s", p.name, p.active, rows[0][0])
			}
		}
		w.check()
		w.Logf("%d kills, %d requests answered, %d of them ended access; %s; 0 lost, 0 out of order", w.kills, answered, ended, w.receiver.figures())
		if answered < 3*w.kills {
			w.Errorf("only %d requests were answered: the test is blind", answered)
		}
	})
}

// TestKilledAtEveryStep ends the daemon behind each statement of the leaver's
// transaction, of the delivery of its events and of the reading back, one by
// one. An answered end of access is there; an unanswered one is there or not,
// and the client's repetition brings it about.
func TestKilledAtEveryStep(t *testing.T) {
	every := 1
	if killsWanted(0) == 0 {
		every = 9
	}
	killEngines(t, func(w *killWorld) {
		bob := &killPerson{name: "bob@acme.com"}
		w.start()
		status, body := w.send(http.MethodPost, "/Users", fmt.Sprintf(killCreate, bob.name, bob.name, bob.name, 1))
		var user struct{ ID string }
		if err := json.Unmarshal([]byte(body), &user); err != nil || status != http.StatusCreated {
			w.Fatalf("%d %s", status, body)
		}
		bob.id = user.ID
		points, answered := 0, 0
		for n := 1; ; n += every {
			w.until("nothing waits", w.idle)
			if err := os.WriteFile(w.arm, []byte(strconv.Itoa(n)), 0o600); err != nil {
				w.Fatal(err)
			}
			off := fmt.Sprintf(killPatch, fmt.Sprintf(killActive, false))
			status, _ := w.send(http.MethodPatch, "/Users/"+bob.id, off)
			died := make(chan struct{})
			go func() { _ = w.cmd.Wait(); close(died) }()
			alive := false
			for done := false; !done; {
				select {
				case <-died:
					done = true
				case <-time.After(20 * time.Millisecond):
					alive = status == http.StatusOK && w.idle() && len(w.rows(`SELECT member_id FROM leaver WHERE check_at > 0`)) == 0
					done = alive
				}
			}
			if err := os.Remove(w.arm); err != nil {
				w.Fatal(err)
			}
			if alive {
				_ = w.cmd.Process.Kill()
				<-died
			}
			w.kills++
			points++
			w.start()
			bob.active, bob.unsure = false, status == 0
			w.look(bob)
			if status == http.StatusOK {
				answered++
			}
			if bob.active {
				if again, text := w.send(http.MethodPatch, "/Users/"+bob.id, off); again != http.StatusOK {
					w.Errorf("the repetition: %d %s", again, text)
				}
			}
			w.until("it is told", w.idle)
			if rows := w.rows(`SELECT state FROM member WHERE email = 'bob@acme.com'`); rows[0][0] != "deactivated" {
				w.Fatalf("kill %d: the member is %s", n, rows[0][0])
			}
			w.check()
			if alive || w.Failed() {
				break
			}
			if again, text := w.send(http.MethodPatch, "/Users/"+bob.id, fmt.Sprintf(killPatch, fmt.Sprintf(killActive, true))); again != http.StatusOK {
				w.Fatalf("back: %d %s", again, text)
			}
		}
		w.settled()
		w.check()
		w.kill()
		w.Logf("%d points in the leaver's transaction, its delivery and reading back; %d were answered before the kill; %s", points, answered, w.receiver.figures())
		if points < 40/every {
			w.Errorf("only %d points: the test is blind", points)
		}
	})
}
