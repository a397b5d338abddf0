package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/ldap"
	"github.com/rollcall-sync/rollcall/workspace"
)

// rules is the mapping of these tests. wanted, in expect_test.go, says the
// same in a few lines of its own.
const rules = `
version: 1
owner: ann@acme.com
default_country: "NO"
pools:
  oslo: {prefix: "+4722"}
roles:
  - {id: r-admin, role: admin, if: {group: phone-admins}}
  - {id: r-member, role: member}
groups:
  - {id: g-department, to: {attr: department}, allow: [Sales, Support, Finance]}
  - {id: g-team, to: Team, if: {group: team}}
numbers:
  - {id: n-desk, access: exclusive, if: {group: desk}, from: [keep, reserved, {pool: oslo}]}
`

// workspaceGroups are the groups that the mapping fills.
var workspaceGroups = []string{"Sales", "Support", "Finance", "Team"}

// world is a workspace with one directory, as the daemon wires them.
type world struct {
	t      testing.TB
	url    string
	store  *store.Store
	engine *sync.Engine
	source *ldap.Source
	polled sync.Polled
	offset time.Duration // of our clock against the real one
}

// unbraked lets everything through that is proved.
func unbraked() sync.Brake {
	off := sync.Limit{Off: true}
	return sync.Brake{Removals: off, Tails: off, AdminLosses: off, Group: off, Numbers: off, Addresses: off, Creates: off, Burst: sync.Burst{Limit: off}}
}

func newWorld(t testing.TB, cfg ldap.Config, brake sync.Brake) *world {
	t.Helper()
	w := &world{t: t, url: "sqlite:" + filepath.Join(t.TempDir(), "rollcall.db")}
	compiled, err := mapping.Load([]byte(rules), mapping.LoadOptions{Connections: []string{"corp"}, File: "mapping.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if w.store, err = store.Open(ctx, store.Options{URL: w.url, AutoMigrate: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	policy := workspace.Default()
	policy.Approve = []string{} // raises of roles are not what is tested here
	w.engine, err = sync.New(ctx, sync.Options{Store: w.store, Now: w.now, Workspaces: []sync.Workspace{{
		ID: "acme", Owners: []string{"ann@acme.com"}, Rules: compiled, Policy: policy,
		Connections: []sync.Connection{{ID: "corp", Kind: ldap.Kind, ActsAs: workspace.RoleAdmin, Brake: &brake}},
		Leavers:     sync.Leavers{Grace: 7 * 24 * time.Hour, RestoreWindow: 90 * 24 * time.Hour},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range workspaceGroups {
		w.edit(sync.Edit{Kind: sync.EditGroupNew, Name: g})
	}
	for i := range 6 {
		n := fmt.Sprintf("+472200000%d", i)
		w.edit(sync.Edit{Kind: sync.EditImport, Import: &sync.NumberImport{E164: n, Name: "line", Type: "local", Pool: "oslo"}})
	}
	w.source, err = ldap.New(cfg, ldap.Options{Connection: "corp", Now: w.now, Known: w.known})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.source.Close(); err != nil {
			t.Error(err)
		}
	})
	w.polled = sync.Polled{Workspace: "acme", Connection: "corp", Source: w.source}
	return w
}

func (w *world) now() time.Time { return time.Now().Add(w.offset) }

func (w *world) view(read func(r *store.Reader) error) {
	w.t.Helper()
	if err := w.store.In("acme").View(context.Background(), read); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) known(ctx context.Context) (ids []string, err error) {
	err = w.store.In("acme").View(ctx, func(r *store.Reader) error {
		_, people, err := r.Users(store.UserQuery{Connection: "corp", Start: 1, Count: 5})
		for i := range people {
			ids = append(ids, people[i].ExternalID)
		}
		return err
	})
	return ids, err
}

func (w *world) edit(e sync.Edit) {
	w.t.Helper()
	res, err := w.engine.Edit(context.Background(), sync.EditBatch{
		Workspace: "acme", As: "ann@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Edits: []sync.Edit{e},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range res.Outcomes {
		if o.Outcome != "applied" {
			w.t.Fatalf("edit: %s: %s", o.Outcome, o.Decision.Reason)
		}
	}
}

// try polls once.
func (w *world) try(opt sync.SyncOptions) (sync.PollResult, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	opt.Trigger = "operator"
	return w.engine.Poll(ctx, w.polled, "test", opt)
}

// sync polls once and wants that to be a good run.
func (w *world) sync() sync.PollResult {
	w.t.Helper()
	res, err := w.try(sync.SyncOptions{})
	if err != nil {
		w.t.Fatalf("poll: %v", err)
	}
	if len(res.Run.IncompleteWhy) > 0 {
		w.t.Fatalf("the read was not whole: %v", res.Run.IncompleteWhy)
	}
	return res
}

// members shows the active members but the Owner: "admin Sales,Team +47..".
// withNumbers adds their numbers.
func (w *world) members(withNumbers bool) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	w.view(func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{States: []workspace.MemberState{workspace.StateActive}})
		for _, m := range list {
			if m.Role == workspace.RoleOwner {
				continue
			}
			slices.Sort(m.Groups)
			out[m.Email] = strings.TrimSpace(m.Role.String() + " " + strings.Join(m.Groups, ","))
			if withNumbers {
				for _, n := range m.Numbers {
					out[m.Email] += " " + n.Number
				}
			}
		}
		return err
	})
	return out
}

// member shows one member: "member active Sales +47...", "nobody".
func (w *world) member(email string) string {
	w.t.Helper()
	out := "nobody"
	w.view(func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{Person: email, States: []workspace.MemberState{"active", "deactivated", "removed"}})
		if err != nil || len(list) == 0 {
			return err
		}
		m := list[0]
		slices.Sort(m.Groups)
		parts := append([]string{m.Role.String(), string(m.State)}, m.Groups...)
		for _, n := range m.Numbers {
			if n.Access != "" {
				parts = append(parts, n.Number)
			}
		}
		out = strings.Join(parts, " ")
		return nil
	})
	return out
}

func (w *world) want(email, want string) {
	w.t.Helper()
	if got := w.member(email); got != want {
		w.t.Errorf("%s is %q, want %q", email, got, want)
	}
}

// id gives a member's id.
func (w *world) id(email string) (id string) {
	w.t.Helper()
	w.view(func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{Person: email, States: []workspace.MemberState{"active", "deactivated", "removed"}})
		if len(list) > 0 {
			id = list[0].ID
		}
		return err
	})
	return id
}

func (w *world) holds() (open []store.HoldRow) {
	w.t.Helper()
	w.view(func(r *store.Reader) (err error) {
		open, err = r.OpenHolds("")
		return err
	})
	return open
}

// agrees compares the workspace with what an independent reading says.
func (w *world) agrees(d directory) {
	w.t.Helper()
	want := wanted(d.read(w.t))
	if diff := cmp.Diff(want, w.members(false)); diff != "" {
		w.t.Errorf("the workspace differs from the directory (-directory +workspace):\n%s", diff)
	}
	w.view(func(r *store.Reader) error {
		have, err := r.Totals()
		if err != nil {
			return err
		}
		counted, err := r.CountTotals()
		if have != counted {
			w.t.Errorf("counters say %+v, counted are %+v", have, counted)
		}
		return err
	})
}

// told is a run in words, for failures.
func (w *world) told(run *sync.SyncRun) string {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %+v %v %v\n", run.Kind, run.Counts, run.IncompleteWhy, run.Notices)
	w.view(func(r *store.Reader) error {
		changes, err := r.ChangesOfRun(run.RunID)
		for i := range changes {
			var c sync.ChangeReport
			if err := json.Unmarshal(changes[i].Body, &c); err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %s %s %s: %s\n", c.Outcome, c.Kind, c.Target.Label, c.Summary, c.Decision.Reason)
		}
		return err
	})
	return b.String()
}
