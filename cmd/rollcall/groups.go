package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
)

type groupsCmd struct {
	List groupListCmd `cmd:"" default:"withargs" help:"List groups (the default)."`
	Show groupShowCmd `cmd:"" help:"Show one group with all its members."`
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
		return fmt.Errorf("no group %q\ndo: see rollcall groups list", c.Name)
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
