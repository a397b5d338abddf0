package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type membersCmd struct {
	List       memberListCmd       `cmd:"" default:"withargs" help:"List members (the default)."`
	Show       memberShowCmd       `cmd:"" help:"Show one member."`
	Role       memberRoleCmd       `cmd:"" help:"Set a role by hand."`
	Remove     memberRemoveCmd     `cmd:"" help:"Remove a member for good: access ends at once."`
	Restore    memberRestoreCmd    `cmd:"" help:"Bring back a member whose access was ended."`
	Successors memberSuccessorsCmd `cmd:"" help:"Name who follows the primary Owner."`
}

// memberView is a member in JSON (the contract of architecture.md).
type memberView struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Email        string            `json:"email"`
	Role         string            `json:"role"`
	RoleSource   string            `json:"role_source"`
	State        string            `json:"state"`
	Contained    bool              `json:"contained"`
	Groups       []string          `json:"groups"`
	Numbers      []holdingView     `json:"numbers"`
	Connections  []string          `json:"connections"`
	LastActiveAt *workspace.Micros `json:"last_active_at"`
	AccessEnd    *workspace.Micros `json:"access_end"`
	Reason       *string           `json:"reason"`
}

func viewMember(m *store.MemberListing) memberView {
	v := memberView{
		ID: m.ID, Name: m.Name, Email: m.Email, Role: m.Role.String(), RoleSource: m.RoleSource, State: string(m.State),
		Contained: m.Contained, Groups: orEmpty(m.Groups), Numbers: viewHoldings(m.Numbers), Connections: orEmpty(m.Connections),
		LastActiveAt: optionalTime(m.LastActiveAt), AccessEnd: optionalTime(m.AccessEnd),
	}
	if m.Reason != "" {
		v.Reason = &m.Reason
	}
	return v
}

// state is the member's state in one word; contained ones are active in the
// store, but have no access (O3).
func (v *memberView) state() string {
	if v.Contained {
		return "contained"
	}
	return v.State
}

// holdingView is a member's hold on a number in JSON. Access is null for an
// owner without access, Ring for who does not ring.
type holdingView struct {
	Number string  `json:"number"`
	Access *string `json:"access"`
	Owner  bool    `json:"owner"`
	Ring   *int    `json:"ring"`
}

func viewHoldings(list []store.NumberHolding) []holdingView {
	views := make([]holdingView, len(list))
	for i, h := range list {
		views[i] = holdingView{Number: h.Number, Access: optionalText(h.Access), Owner: h.Owner, Ring: optionalPlace(h.Ring)}
	}
	return views
}

// holdings writes a member's numbers in one cell.
func holdings(list []holdingView) string {
	cells := make([]string, len(list))
	for i, h := range list {
		cells[i] = h.Number
		if h.Access != nil {
			cells[i] += " " + *h.Access
		}
		if h.Owner {
			cells[i] += " owner"
		}
	}
	return strings.Join(cells, "; ")
}

type memberListCmd struct {
	workspaceFlag
	formatFlag
	State string `help:"Only this state: active, deactivated or removed; active and deactivated ones if left out." enum:"active,deactivated,removed," default:""`
	Role  string `help:"Only this role: owner, admin or member." enum:"owner,admin,member," default:""`
	Group string `help:"Only the members of this group." placeholder:"NAME"`
	// NoPath: OL1.
	NoPath bool `help:"Only active members of whom nobody tells when their job ends: no directory has them, and no provider is asked about them."`
}

// Help is shown by --help.
func (memberListCmd) Help() string {
	return "Example:\n  rollcall members list --role admin --format csv > admins.csv"
}

// Run lists members in the order in which they joined.
func (c *memberListCmd) Run(ctx context.Context, env *environment) (err error) {
	filter := store.MemberFilter{}
	if c.Group != "" {
		filter.Group = fold.Key(c.Group)
	}
	if c.State != "" {
		filter.States = []workspace.MemberState{workspace.MemberState(c.State)}
	}
	if c.Role != "" {
		if filter.Role, err = workspace.ParseRole(c.Role); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	if c.NoPath {
		if c.Group != "" || c.Role != "" || c.State != "" {
			return &exitError{exitUsage, errors.New("--no-path goes without --state, --role and --group")}
		}
		engine, err := s.engine(ctx)
		if err != nil {
			return err
		}
		if filter.Unwatched, err = engine.Directories(s.workspace.ID); err != nil {
			return err
		}
	}
	if err := s.knownGroup(ctx, c.Group); err != nil {
		return err
	}
	members, err := s.members(ctx, filter)
	if err != nil {
		return err
	}
	views := []memberView{}
	l := listing{
		header: []string{"email", "name", "role", "state", "groups", "numbers", "connections", "id"},
		none:   "no members",
	}
	for i := range members {
		v := viewMember(&members[i])
		views = append(views, v)
		l.rows = append(l.rows, []string{
			v.Email, v.Name, v.Role, v.state(), strings.Join(v.Groups, "; "), holdings(v.Numbers),
			strings.Join(v.Connections, "; "), v.ID,
		})
	}
	l.items = views
	return l.write(env.out, c.Format)
}

// knownGroup refuses the name of a group that there is not; "" asks for none.
func (s *session) knownGroup(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	return s.view(ctx, func(r *store.Reader) error {
		found, err := r.Groups(fold.Key(name), 0)
		if err == nil && len(found) == 0 {
			return unknownGroup(name)
		}
		return err
	})
}

// memberPage is how many members are read in one go.
const memberPage = 1000

// members reads all pages of a listing, each on a snapshot of its own: a long
// read would stop SQLite's checkpoints (DU5).
func (s *session) members(ctx context.Context, filter store.MemberFilter) (all []store.MemberListing, err error) {
	filter.Limit = memberPage
	for {
		var page []store.MemberListing
		err := s.view(ctx, func(r *store.Reader) (err error) {
			page, err = r.Members(filter)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < memberPage {
			return all, nil
		}
		filter.After = page[len(page)-1].ID
	}
}

type memberShowCmd struct {
	workspaceFlag
	Person string `arg:"" help:"Address, id or name."`
	Format string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (memberShowCmd) Help() string { return "Example:\n  rollcall members show ann@acme.com" }

// Run shows one member, in any state.
func (c *memberShowCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	m, err := s.person(ctx, c.Person)
	if err != nil {
		return err
	}
	v := viewMember(m)
	ways, err := s.ways(ctx, m.ID)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return writeJSON(env.out, struct {
			memberView
			Ways   []sync.Way `json:"ways"`
			NoPath bool       `json:"no_path"`
		}{v, ways.Ways, ways.None})
	}
	return writeFields(env.out, [][2]string{
		{"name", v.Name},
		{"email", v.Email},
		{"role", v.Role + ", from " + v.RoleSource},
		{"state", v.state()},
		{"groups", strings.Join(v.Groups, "; ")},
		{"numbers", holdings(v.Numbers)},
		{"connections", strings.Join(v.Connections, "; ")},
		{"joined", stamp(m.JoinedAt)},
		{"deactivated", stamp(m.DeactivatedAt)},
		{"grace until", stamp(m.GraceUntil)},
		{"access ends", stamp(m.AccessEnd)},
		{"last active", stamp(m.LastActiveAt)},
		{"reason", m.Reason},
		{"sessions", "epoch " + strconv.FormatInt(m.Epoch, 10)},
		{"revoke", revokeText(&ways)},
		{"id", v.ID},
	})
}

// ways reads a member's ways to a revoke.
func (s *session) ways(ctx context.Context, member string) (w sync.Ways, err error) {
	engine, err := s.engine(ctx)
	if err != nil {
		return w, err
	}
	err = s.view(ctx, func(r *store.Reader) (err error) {
		w, err = engine.Ways(r, s.workspace.ID, member)
		return err
	})
	return w, err
}

// revokeText says how the end of a person's account reaches us, how long that
// takes, and how long it took.
func revokeText(w *sync.Ways) string {
	if w.None {
		return "NO DEPROVISIONING PATH: nobody tells when this person's job ends"
	}
	var out []string
	for i := range w.Ways {
		way := &w.Ways[i]
		text := string(way.Kind) + " by " + way.Connection
		if way.Expected > 0 {
			text += fmt.Sprintf(", expected %s, at worst %s", seconds(way.Expected), seconds(way.Worst))
		}
		if q := way.Measured.Upstream; q.N > 0 {
			text += fmt.Sprintf(", measured %s (p50), %s (p95) of %d", millis(q.P50), millis(q.P95), q.N)
		} else if q := way.Measured.Revoke; q.N > 0 {
			text += fmt.Sprintf(", measured %s (p95) once seen, of %d", millis(q.P95), q.N)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func seconds(n int64) string { return (time.Duration(n) * time.Second).String() }

func millis(n int64) string {
	return (time.Duration(n) * time.Millisecond).Round(time.Millisecond).String()
}

// person finds the one member whom a person's words mean.
func (s *session) person(ctx context.Context, words string) (*store.MemberListing, error) {
	if strings.TrimSpace(words) == "" {
		return nil, &exitError{exitUsage, errors.New("<person> is empty: give an address, id or name, see `rollcall members list`")}
	}
	every := []workspace.MemberState{workspace.StateActive, workspace.StateDeactivated, workspace.StateRemoved}
	for _, key := range []string{words, fold.Email(words), fold.Key(words)} {
		found, err := s.members(ctx, store.MemberFilter{Person: key, States: every})
		switch {
		case err != nil:
			return nil, err
		case len(found) == 1:
			return &found[0], nil
		case len(found) > 1:
			// Somebody removed may share the address with their successor.
			if live := notRemoved(found); len(live) == 1 {
				return &live[0], nil
			}
			return nil, fmt.Errorf("%d members are called %q\ndo: name one by address or id, see rollcall members list", len(found), words)
		}
	}
	return nil, fmt.Errorf("no member %q in workspace %s\ndo: see rollcall members list", words, s.workspace.ID)
}

func notRemoved(found []store.MemberListing) (live []store.MemberListing) {
	for _, m := range found {
		if m.State != workspace.StateRemoved {
			live = append(live, m)
		}
	}
	return live
}
