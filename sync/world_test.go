package sync

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

func TestMain(m *testing.M) {
	if raceDetector {
		// A flag on the command line, read later, still wins.
		if err := flag.Set("rapid.checks", "20"); err != nil {
			panic(err)
		}
	}
	pgtest.Main(m)
}

// world is a workspace with an engine, for tests that read like stories.
type world struct {
	tb     testing.TB
	e      *Engine
	st     *store.Store
	url    string
	clock  time.Time
	cfg    Workspace
	trace  func(text string, rows int64) // store.Options.Trace
	counts func(text string, rows int64) // what trace passes on to
}

const testMapping = `
version: 1
owner: ann@acme.com
default_country: "NO"
source_groups:
  phone-admins: {okta: phone-admins, entra: phone-admins}
  reception: {okta: reception}
  sales: {okta: sales, entra: sales}
pools:
  office-no: {prefix: "+4722"}
eligible: {id: e-all, if: {active: true}}
roles:
  - {id: r-admin, role: admin, if: {group: phone-admins}, cap: 3}
  - {id: r-member, role: member}
groups:
  - {id: g-dept, to: {attr: department}, allow: [Sales, Support]}
  - {id: g-sales, to: Sales, if: {group: sales}}
numbers:
  - {id: n-pool, access: exclusive, if: {attr: office, in: [Oslo]}, unless_has: exclusive, from: [keep, invitation, reserved, {pool: office-no}, ask]}
  - {id: n-desk, access: shared, number: "+4722000099", if: {group: reception}}
`

// liteURL makes a database of its own for a test.
func liteURL(t testing.TB) string {
	t.Helper()
	return storetest.SQLite(t, "rollcall.db")
}

// directMapping reads what a request writes itself.
const directMapping = `
version: 1
owner: ann@acme.com
default_country: "NO"
roles:
  - {id: r-in, role: {attr: rollcall.role}, allow: [admin, member]}
numbers:
  - {id: n-own, access: exclusive, from: [{attr: rollcall.primaryNumber}], taken: fail}
`

// direct is a world whose mapping reads direct inputs.
func direct(t testing.TB) *world {
	t.Helper()
	return newWorld(t, liteURL(t), directMapping)
}

// engines runs a test on both databases; under the race detector on SQLite
// alone, for the engine's own code is the same, and whole without it.
func engines(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, lite(t))
	})
	if raceDetector {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, storetest.Postgres(t), testMapping))
	})
}

func lite(t testing.TB) *world {
	t.Helper()
	return newWorld(t, liteURL(t), testMapping)
}

func newWorld(tb testing.TB, url, rules string) *world {
	tb.Helper()
	compiled, err := mapping.Load([]byte(rules), mapping.LoadOptions{Connections: []string{"okta", "entra", "hr"}, File: "mapping.yaml"})
	if err != nil {
		tb.Fatalf("mapping: %v", err)
	}
	w := &world{tb: tb, url: url, clock: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)}
	w.cfg = Workspace{
		ID: "acme", Name: "Acme Inc", Plan: "business", Zone: "UTC", Owners: []string{"ann@acme.com", "dan@acme.com"}, Rules: compiled, Policy: workspace.Default(),
		Connections: []Connection{
			{ID: "okta", Kind: "scim", Profile: "okta", ActsAs: workspace.RoleAdmin},
			{ID: "entra", Kind: "scim", Profile: "entra", ActsAs: workspace.RoleOwner},
			{ID: "hr", Kind: "scim", Profile: "strict", ActsAs: workspace.RoleMember},
		},
		Leavers: Leavers{Grace: 7 * 24 * time.Hour, RestoreWindow: 90 * 24 * time.Hour},
	}
	w.open()
	return w
}

// open opens store and engine, again after a change of the configuration.
func (w *world) open() {
	w.tb.Helper()
	ctx := context.Background()
	if w.st == nil {
		st, err := store.Open(ctx, store.Options{URL: w.url, AutoMigrate: true, Logger: slog.New(slog.DiscardHandler), Now: w.now, Trace: w.trace})
		if err != nil {
			w.tb.Fatal(err)
		}
		w.st = st
		w.tb.Cleanup(w.close)
	}
	e, err := New(ctx, Options{Store: w.st, Now: w.now, Build: "test", Workspaces: []Workspace{w.cfg}})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.e = e
}

// close closes the store; it may be called twice.
func (w *world) close() {
	if w.st == nil {
		return
	}
	if err := w.st.Close(); err != nil {
		w.tb.Error(err)
	}
	w.st = nil
}

func (w *world) now() time.Time { return w.clock }

// user is a person as a test pushes them.
type user struct {
	name   string // login name and address: name@acme.com
	id     string // set by create
	ver    int64
	ext    string
	off    bool
	email  string
	attrs  map[string]string
	wishes Wishes
	conn   string
}

func (x *user) row() store.IdentityRow {
	email := x.email
	if email == "" {
		email = x.name + "@acme.com"
	}
	attrs := workspace.Attributes{"userName": {x.name}, "email": {email}, "displayName": {strings.ToUpper(x.name)}, "active": {fmt.Sprint(!x.off)}}
	for k, v := range x.attrs {
		attrs[k] = []string{v}
		if v == "" {
			attrs[k] = nil
		}
	}
	ext := x.ext
	if ext == "" {
		ext = "ext-" + x.name
	}
	return store.IdentityRow{
		Identity: workspace.Identity{ID: x.id, ExternalID: ext, UserName: x.name, Email: email, Name: strings.ToUpper(x.name), Active: !x.off, Attributes: attrs, Document: []byte(`{}`)},
		UserKey:  fold.Key(x.name), EmailKey: fold.Email(email), DisplayKey: fold.Key(x.name),
	}
}

func (x *user) connection() string {
	if x.conn == "" {
		return "okta"
	}
	return x.conn
}

// push sends a person and gives the result; the user's id and version follow.
func (w *world) push(x *user) Result {
	w.tb.Helper()
	res, err := w.tryPush(x)
	if err != nil {
		w.tb.Fatalf("push of %s: %v", x.name, err)
	}
	return res
}

func (w *world) tryPush(x *user) (Result, error) {
	row := x.row()
	o := IdentityObservation{Row: row, Expect: x.ver, Wishes: x.wishes}
	if x.off {
		o.Class, o.Why = workspace.EvidenceE1, "disabled"
	}
	if old, err := w.identity(x.id); x.id != "" && err == nil {
		o.Row.Member, o.Row.CreatedAt = old.Member, old.CreatedAt
		if x.ver != 0 {
			o.Before = &old
		}
	}
	res, err := w.e.Apply(context.Background(), Batch{
		Workspace: "acme", Connection: x.connection(), Kind: RunSCIM, Channel: workspace.ChannelSCIM,
		Txn: "t", SeenAt: w.clock, Identities: []IdentityObservation{o},
	})
	if err == nil && res.Refusal == nil {
		x.id, x.ver = res.Identities[0].ID, res.Identities[0].Version
	}
	return res, err
}

func (w *world) identity(id string) (i workspace.Identity, err error) {
	err = w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
		var err error
		i, err = r.Identity(id)
		return err
	})
	return i, err
}

// drop deletes a person at the directory.
func (w *world) drop(x *user) Result {
	w.tb.Helper()
	res, err := w.e.Apply(context.Background(), Batch{
		Workspace: "acme", Connection: x.connection(), Kind: RunSCIM, Channel: workspace.ChannelSCIM,
		SeenAt: w.clock, Identities: []IdentityObservation{{Op: OpDelete, Row: store.IdentityRow{Identity: workspace.Identity{ID: x.id}}}},
	})
	if err != nil {
		w.tb.Fatalf("delete of %s: %v", x.name, err)
	}
	return res
}

// group is a directory group as a test pushes it.
type group struct {
	id   string
	name string
	conn string
}

// put creates the group if it is new, then adds and removes people.
func (w *world) put(g *group, add, remove []*user) Result {
	w.tb.Helper()
	conn := g.conn
	if conn == "" {
		conn = "okta"
	}
	o := GroupObservation{Group: workspace.DirectoryGroup{ID: g.id, Name: g.name, ExternalID: g.name}, NameKey: fold.Key(g.name), Members: &MemberDelta{}, Expect: -1}
	if g.id == "" {
		o.Expect, o.Write = 0, true
	}
	for _, x := range add {
		o.Members.Add = append(o.Members.Add, store.Edge{Child: x.id})
	}
	for _, x := range remove {
		o.Members.Remove = append(o.Members.Remove, store.Edge{Child: x.id})
	}
	res, err := w.e.Apply(context.Background(), Batch{Workspace: "acme", Connection: conn, Kind: RunSCIM, Channel: workspace.ChannelSCIM, SeenAt: w.clock, Groups: []GroupObservation{o}})
	if err != nil {
		w.tb.Fatalf("group %s: %v", g.name, err)
	}
	if res.Refusal == nil {
		g.id = res.Groups[0].ID
	}
	return res
}

func (w *world) edit(as string, edits ...Edit) (Result, error) {
	return w.e.Edit(context.Background(), EditBatch{Workspace: "acme", As: as, Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Edits: edits})
}

func (w *world) mustEdit(as string, edits ...Edit) Result {
	w.tb.Helper()
	res, err := w.edit(as, edits...)
	if err != nil {
		w.tb.Fatalf("edit: %v", err)
	}
	for _, o := range res.Outcomes {
		if o.Outcome != "applied" {
			w.tb.Fatalf("edit: %s %s: %s", o.Decision.Change.Kind, o.Outcome, o.Decision.Reason)
		}
	}
	return res
}

// numbers puts numbers into the inventory.
func (w *world) numbers(e164 ...string) {
	w.tb.Helper()
	for _, n := range e164 {
		w.mustEdit("ann@acme.com", Edit{Kind: EditImport, Import: &NumberImport{E164: n, Name: "line " + n, Type: "local", Pool: "office-no"}})
	}
}

// groups makes workspace groups.
func (w *world) groups(names ...string) {
	w.tb.Helper()
	for _, n := range names {
		w.mustEdit("ann@acme.com", Edit{Kind: EditGroupNew, Name: n})
	}
}

// show is a member as listings show them: "member active Sales +4722..:exclusive:1".
func (w *world) show(email string) string {
	w.tb.Helper()
	var out string
	err := w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{Person: email, Limit: 5, States: []workspace.MemberState{"active", "deactivated", "removed"}})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			out = "nobody"
			return nil
		}
		m := list[0]
		parts := []string{m.Role.String(), string(m.State)}
		if m.Contained {
			parts = append(parts, "contained")
		}
		slices.Sort(m.Groups)
		parts = append(parts, m.Groups...)
		for _, n := range m.Numbers {
			own := ""
			if n.Owner {
				own = "+owner"
			}
			parts = append(parts, fmt.Sprintf("%s:%s%s", n.Number, n.Access, own))
		}
		out = strings.Join(parts, " ")
		return nil
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return out
}

func (w *world) want(email, want string) {
	w.tb.Helper()
	if got := w.show(email); got != want {
		w.tb.Errorf("%s is %q, want %q", email, got, want)
	}
}

// holds lists the open holds.
func (w *world) holds() []store.HoldRow {
	w.tb.Helper()
	var out []store.HoldRow
	err := w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
		var err error
		out, err = r.OpenHolds("")
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return out
}

func (w *world) approve(plan, as string) (Result, error) {
	return w.e.Approve(context.Background(), Approval{Workspace: "acme", Plan: plan, As: as, Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Reason: "checked"})
}

// sound checks what must be true of the store at any time.
func (w *world) sound() {
	w.tb.Helper()
	if err := w.unsound(); err != nil {
		w.tb.Error(err)
	}
	w.audited()
}

// unsound tells what is wrong: counters that differ from what they count, no
// active Owner, or not exactly one primary one.
func (w *world) unsound() error {
	return w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
		have, err := r.Totals()
		if err != nil {
			return err
		}
		counted, err := r.CountTotals()
		if err != nil {
			return err
		}
		if have != counted {
			return fmt.Errorf("counters say %+v, counted are %+v", have, counted)
		}
		owners, err := r.Owners()
		if err != nil {
			return err
		}
		primary := 0
		for _, o := range owners {
			if o.Primary {
				primary++
			}
		}
		if len(owners) == 0 || primary != 1 {
			return fmt.Errorf("I1: %d active Owners, %d primary", len(owners), primary)
		}
		return nil
	})
}

// outcome gives the outcome of the first change of a kind, "" if there is none.
func outcome(r Result, kind workspace.ChangeKind) string {
	for _, o := range r.Outcomes {
		if o.Decision.Change.Kind == kind {
			return o.Outcome
		}
	}
	return ""
}

// told lists a result's outcomes, one line each.
func told(r Result) string {
	var b strings.Builder
	for _, o := range r.Outcomes {
		d := o.Decision
		fmt.Fprintf(&b, "\n%s %s %s [%s] %s", d.Change.Kind, d.Change.Subject.Label, o.Outcome, d.Rule, d.Reason)
	}
	return b.String()
}

// member gives a member's id.
func (w *world) member(email string) string {
	w.tb.Helper()
	var id string
	err := w.e.spaces["acme"].h.View(context.Background(), func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{Person: email, Limit: 1, States: []workspace.MemberState{"active", "deactivated", "removed"}})
		if err == nil && len(list) == 1 {
			id = list[0].ID
		}
		return err
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	return id
}
