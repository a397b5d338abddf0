package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestSequence is EV7: whatever comes in whatever order from a directory that
// is polled, a client that pushes the same people, sign-ins, liveness and
// signals, with crashes in between, nobody has access after an explicit no
// without a newer yes, nobody loses it without one, and in the end access is
// what the provider says. -seed repeats a run, -rapid.checks and -steps make
// it longer.
func TestSequence(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	for _, kind := range []string{oidc.Graph, oidc.Okta} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				playSequence(t, rt, storetest.SQLite(t, "rollcall.db"), kind)
			})
		})
	}
}

// TestSequenceOnPostgres plays a few of the same on the other engine.
func TestSequenceOnPostgres(t *testing.T) {
	t.Parallel()
	left := 2 // a database is dear
	rapid.Check(t, func(rt *rapid.T) {
		if left--; left < 0 {
			return
		}
		playSequence(t, rt, storetest.Postgres(t), []string{oidc.Graph, oidc.Okta}[left])
	})
}

// sequence is one game.
type sequence struct {
	model
	*sequenceWorld
	t       *rapid.T
	kind    string
	story   []string
	names   []string // free logins, which others may be given
	made    int
	groupID map[string]string // at the provider, by name
	sales   string            // the pushed group's id here
	tokens  []sentSet         // signals that were sent, to be sent again
	db      *sql.DB           // reads the store by its tables alone
}

func playSequence(t *testing.T, rt *rapid.T, url, kind string) {
	s := &sequence{model: model{owners: map[string]*seqPerson{}}, sequenceWorld: newSequenceWorld(t, url, kind), t: rt, kind: kind, groupID: map[string]string{}}
	s.brake = unbraked()
	if rapid.Bool().Draw(rt, "brake") {
		s.brake = sync.DefaultBrake()
	}
	s.must(s.start(context.Background()))
	s.must(s.prepare(context.Background()))
	s.begin()
	n := 30
	if *steps > 0 {
		n = *steps
	}
	for range rapid.IntRange(n/2, n).Draw(rt, "steps") {
		s.step()
		s.check()
	}
	s.settle()
	if s.db != nil {
		s.must(s.db.Close())
	}
	s.must(s.stop())
	s.fake.Close()
	s.open.Close()
}

// say adds a line to the story.
func (s *sequence) say(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf("%s  ", s.fake.Now().UTC().Format(time.DateTime))+fmt.Sprintf(format, args...))
}

// brief is an error's first line.
func brief(err error) string {
	if err == nil {
		return "well"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// fatal fails with the story that led here.
func (s *sequence) fatal(format string, args ...any) {
	s.t.Fatalf("%s\nstory:\n%s", fmt.Sprintf(format, args...), strings.Join(s.story, "\n"))
}

func (s *sequence) must(err error) {
	if err != nil {
		s.fatal("%v", err)
	}
}

// begin makes a company whose people both sources know.
func (s *sequence) begin() {
	s.fake.Add(fakeidp.Person{UserName: "sentinel@acme.com", Email: "sentinel@acme.com", Given: "Sen", Family: "Tinel"})
	for range 5 {
		s.create()
	}
	first := fakeidp.Member{ID: s.people[0].id}
	for _, name := range []string{"phone-admins", "desk"} {
		s.groupID[name] = s.fake.AddGroup(name, first)
		s.people[0].ever[name] = true
	}
	s.poll(true, "", nil)
	for _, p := range s.people[:3] {
		s.deliverAll(p)
	}
	status, body := s.call("POST", "/Groups", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": "sales", "externalId": "sales"})
	if s.sales, _ = body["id"].(string); status != 201 || s.sales == "" {
		s.fatal("the pushed group: %d %v", status, body)
	}
	s.check()
}

// step does one thing, perhaps with a crash of the daemon on the way.
func (s *sequence) step() {
	s.fake.Wind(time.Duration(rapid.IntRange(1, 90).Draw(s.t, "seconds")) * time.Second)
	if rapid.IntRange(0, 6).Draw(s.t, "crash") == 0 {
		n := rapid.IntRange(1, 150).Draw(s.t, "statements")
		s.say("(the daemon crashes behind its next %d statements)", n)
		s.light(n)
	}
	s.act(true)
	s.light(0)
	if s.crashed() {
		s.restart("after the crash")
	}
}

// restart ends the daemon and starts it on the same store.
func (s *sequence) restart(why string) {
	s.say("the daemon starts %s", why)
	s.must(s.stop())
	s.fake.Wind(20 * time.Second) // longer than a lease lasts
	s.must(s.expireLeases())
	s.must(s.start(context.Background()))
	if _, err := s.engine.Replan(context.Background(), "acme", "test"); err != nil {
		s.fatal("replan: %v", err)
	}
}

// expireLeases lets the time of leases pass, which is the database's own and
// not the sequence's (LE1).
func (w *sequenceWorld) expireLeases() error {
	driver, dsn := "pgx", w.url
	if file, lite := strings.CutPrefix(w.url, "sqlite:"); lite {
		driver, dsn = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	_, err = db.Exec(`UPDATE lease SET expires_us = 0`)
	return errors.Join(err, db.Close())
}

// memberOf reads a member; nil if there is none.
func (s *sequence) memberOf(r *store.Reader, id string) (*workspace.Member, error) {
	if id == "" {
		return nil, nil
	}
	m, err := r.Member(id)
	return &m, err
}

// linked tells whether a source's record of somebody stands for their member.
func (s *sequence) linked(r *store.Reader, connection string, p *seqPerson) (string, error) {
	i, err := r.IdentityByExternal(connection, p.id, true)
	if isNotFound(err) {
		return "", nil
	}
	return i.Member, err
}

// check judges the store by the model.
func (s *sequence) check() {
	var wrong []string
	err := s.view(func(r *store.Reader) error {
		wrong = nil
		owners, err := r.Owners()
		if err != nil {
			return err
		}
		if n := slices.IndexFunc(owners, func(m workspace.Member) bool { return m.Primary && m.State == workspace.StateActive }); n < 0 {
			wrong = append(wrong, "there is no active primary Owner (I1)")
		}
		for _, p := range s.people {
			found, err := s.judge(r, p)
			if err != nil {
				return err
			}
			wrong = append(wrong, found...)
		}
		return s.judgeSessions(r, &wrong)
	})
	s.must(err)
	wrong = append(wrong, s.unreported()...)
	if len(wrong) > 0 {
		s.fatal("%s", strings.Join(wrong, "\n"))
	}
}

// judge judges one person.
func (s *sequence) judge(r *store.Reader, p *seqPerson) (wrong []string, err error) {
	ended := ""
	for _, connection := range []string{"dir", "push"} {
		member, err := s.linked(r, connection, p)
		if err != nil {
			return nil, err
		}
		if member == "" {
			continue
		}
		if other := s.owners[member]; other != nil && other != p {
			wrong = append(wrong, fmt.Sprintf("%s inherits the member of %s", p.said(), other.said()))
		}
		s.owners[member] = p
		if p.member != "" && p.member != member {
			wrong = append(wrong, fmt.Sprintf("%s is now another member, %s", p.said(), member))
		}
		p.member = member
		if p.sources()[connection].may == no {
			ended = connection
		}
	}
	m, err := s.memberOf(r, p.member)
	if err != nil || m == nil {
		return wrong, err
	}
	was, now := p.active, m.Usable()
	p.active, p.held = now, strings.TrimSuffix(m.Email, "@acme.com")
	switch {
	case now && ended != "":
		wrong = append(wrong, fmt.Sprintf("%s has access, though %s said no and no yes came after it", p.said(), ended))
	case was && !now && !p.mayBeNo():
		wrong = append(wrong, fmt.Sprintf("%s has lost access without evidence", p.said()))
	}
	if !now {
		s.ends(p, true)
	}
	numbers, err := r.NumbersOf(m.ID)
	if err != nil {
		return wrong, err
	}
	if now && len(numbers) > 0 && !p.ever["desk"] {
		wrong = append(wrong, fmt.Sprintf("%s has a number and was never at the desk", p.said()))
	}
	if now && m.Role == workspace.RoleAdmin && !p.ever["phone-admins"] {
		wrong = append(wrong, fmt.Sprintf("%s is Admin and was never among them", p.said()))
	}
	return wrong, nil
}

// judgeSessions: what ended is dead, and nothing else is.
func (s *sequence) judgeSessions(r *store.Reader, wrong *[]string) error {
	for _, x := range s.sessions {
		row, err := r.Session(x.id)
		if err != nil {
			return err
		}
		m, err := r.Member(row.Member)
		if err != nil {
			return err
		}
		live := sync.LiveSession(&row, &m, workspace.At(s.fake.Now()))
		switch {
		case live && x.dead:
			*wrong = append(*wrong, "a session of "+x.person.said()+" lives on")
		case !live && !x.unsure && !x.person.mayBeNo() && s.fake.Now().Before(x.expires):
			*wrong = append(*wrong, "a session of "+x.person.said()+" has ended for no reason: "+row.EndedWhy)
		}
		if !live {
			x.dead, x.unsure = true, true // it never comes back
		}
		x.unsure = x.unsure || x.person.mayBeNo()
	}
	return nil
}

// unreported finds changes without verdict, outcome or report, and runs
// without their leaf.
func (s *sequence) unreported() (wrong []string) {
	s.must(s.rows(func(row []string) {
		wrong = append(wrong, "a change without verdict, report or leaf: "+strings.Join(row, " "))
	},
		`SELECT c.change_id, c.kind, c.verdict, c.outcome FROM change c LEFT JOIN run r ON r.workspace_id = c.workspace_id AND r.run_id = c.run_id
			WHERE c.verdict = '' OR c.outcome = '' OR r.run_id IS NULL OR NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.n = c.leaf_index)`))
	s.must(s.rows(func(row []string) {
		wrong = append(wrong, "an active member whose state no change brought about: "+strings.Join(row, " "))
	},
		`SELECT m.member_id, m.email FROM member m WHERE m.state = 'deactivated' AND NOT EXISTS
			(SELECT 1 FROM change c WHERE c.member_id = m.member_id AND c.kind = 'member.deactivate' AND c.outcome = 'applied')`))
	return wrong
}
