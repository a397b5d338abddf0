package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

type groupsCmd struct {
	List   groupListCmd   `cmd:"" default:"withargs" help:"List groups (the default)."`
	Show   groupShowCmd   `cmd:"" help:"Show one group with all its members."`
	Create groupCreateCmd `cmd:"" help:"Make a group, for the rules of the mapping to fill."`
	Delete groupDeleteCmd `cmd:"" help:"Delete a group; its members lose what they have through it."`
}

// groupView is a group in JSON (the contract of architecture.md).
type groupView struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	MemberCount int64    `json:"member_count"`
	Members     []string `json:"members"`
}

// everyMember asks for groups with all their members.
const everyMember = 1 << 30

// shownMembers is how many members a line of text has room for.
const shownMembers = 4

type groupListCmd struct {
	workspaceFlag
	formatFlag
}

// Help is shown by --help.
func (groupListCmd) Help() string { return "Example:\n  rollcall groups list" }

// Run lists groups by name.
func (c *groupListCmd) Run(ctx context.Context, env *environment) (err error) {
	groups, err := c.groups(ctx, "")
	if err != nil {
		return err
	}
	views := []groupView{}
	l := listing{
		header: []string{"name", "members", "who", "id"},
		none:   "no groups; the groups section of the mapping makes them",
	}
	for i := range groups {
		g := &groups[i]
		views = append(views, groupView{g.ID, g.Name, g.MemberCount, orEmpty(g.Members)})
		who := strings.Join(g.Members, "; ")
		if c.Format == "text" && len(g.Members) > shownMembers {
			who = fmt.Sprintf("%s; and %d more", strings.Join(g.Members[:shownMembers], "; "), len(g.Members)-shownMembers)
		}
		l.rows = append(l.rows, []string{g.Name, strconv.FormatInt(g.MemberCount, 10), who, g.ID})
	}
	l.items = views
	return l.write(env.out, c.Format)
}

// groups reads groups with all their members; name "" reads every group.
func (f *workspaceFlag) groups(ctx context.Context, name string) (groups []store.GroupListing, err error) {
	s, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close(&err)
	err = s.view(ctx, func(r *store.Reader) (err error) {
		groups, err = r.Groups(name, everyMember)
		return err
	})
	return groups, err
}

type groupShowCmd struct {
	workspaceFlag
	Name   string `arg:"" help:"Name of the group."`
	Format string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (groupShowCmd) Help() string { return "Example:\n  rollcall groups show Sales" }

// Run shows one group.
func (c *groupShowCmd) Run(ctx context.Context, env *environment) error {
	groups, err := c.groups(ctx, fold.Key(c.Name))
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		return unknownGroup(c.Name)
	}
	g := &groups[0]
	if c.Format == "json" {
		return writeJSON(env.out, groupView{g.ID, g.Name, g.MemberCount, orEmpty(g.Members)})
	}
	fields := [][2]string{{"name", g.Name}, {"id", g.ID}, {"members", strconv.FormatInt(g.MemberCount, 10)}}
	for _, m := range g.Members {
		fields = append(fields, [2]string{"", m})
	}
	return writeFields(env.out, fields)
}

// unknownGroup says where groups are to be found.
func unknownGroup(name string) error {
	return fmt.Errorf("no group %q\ndo: see rollcall groups list", name)
}

type groupCreateCmd struct {
	workspaceFlag
	asFlag
	Name   string `arg:"" help:"Name of the group."`
	Reason string `help:"Why; stands in the report."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (groupCreateCmd) Help() string {
	return "Example:\n  rollcall groups create Sales --as ann@acme.com"
}

// Run makes a group.
func (c *groupCreateCmd) Run(ctx context.Context, env *environment) error {
	return c.edit(ctx, env, c.asFlag, c.DryRun, sync.Edit{Kind: sync.EditGroupNew, Name: c.Name, Reason: c.Reason})
}

type groupDeleteCmd struct {
	workspaceFlag
	asFlag
	Name   string `arg:"" help:"Name of the group."`
	Reason string `help:"Why; stands in the report."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (groupDeleteCmd) Help() string {
	return "Example:\n  rollcall groups delete Sales --as ann@acme.com --dry-run"
}

// Run deletes a group.
func (c *groupDeleteCmd) Run(ctx context.Context, env *environment) error {
	return c.edit(ctx, env, c.asFlag, c.DryRun, sync.Edit{Kind: sync.EditGroupDrop, Group: c.Name, Reason: c.Reason})
}
