package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

type numbersCmd struct {
	List   numberListCmd   `cmd:"" default:"withargs" help:"List numbers (the default)."`
	Show   numberShowCmd   `cmd:"" help:"Show one number."`
	Import numberImportCmd `cmd:"" help:"Bring an inventory in from a CSV file."`
}

// numberView is a number in JSON (the contract of architecture.md).
type numberView struct {
	ID              string            `json:"id"`
	Number          string            `json:"number"`
	Name            string            `json:"name"`
	Type            string            `json:"type"`
	Pool            *string           `json:"pool"`
	Site            *string           `json:"site"`
	State           string            `json:"state"`
	Owners          []string          `json:"owners"`
	Assignments     []assigneeView    `json:"assignments"`
	QuarantineUntil *workspace.Micros `json:"quarantine_until"`
}

// assigneeView is who may use a number in JSON; Ring is null for who does not
// ring.
type assigneeView struct {
	To     string `json:"to"`
	Kind   string `json:"kind"`
	Access string `json:"access"`
	Ring   *int   `json:"ring"`
}

func viewNumber(n *store.NumberListing) numberView {
	v := numberView{
		ID: n.ID, Number: n.E164, Name: n.Name, Type: n.Type, State: string(n.State), Owners: orEmpty(n.OwnerEmails),
		Assignments: make([]assigneeView, len(n.To)), QuarantineUntil: optionalTime(n.QuarantineUntil),
	}
	for i, a := range n.To {
		v.Assignments[i] = assigneeView{To: a.To, Kind: a.Kind, Access: a.Access, Ring: optionalPlace(a.Ring)}
	}
	if n.Pool != "" {
		v.Pool = &n.Pool
	}
	if n.Site != "" {
		v.Site = &n.Site
	}
	return v
}

// assignees writes who may use a number in one cell.
func assignees(list []assigneeView) string {
	cells := make([]string, len(list))
	for i, a := range list {
		cells[i] = a.To + " " + a.Access
		if a.Kind != string(workspace.ToMember) {
			cells[i] = a.Kind + " " + cells[i]
		}
	}
	return strings.Join(cells, "; ")
}

type numberListCmd struct {
	workspaceFlag
	formatFlag
	Unowned bool `help:"Only numbers that nobody answers for (I2)."`
}

// Help is shown by --help.
func (numberListCmd) Help() string { return "Example:\n  rollcall numbers list --unowned" }

// Run lists numbers in the order of their digits.
func (c *numberListCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	numbers, err := s.numbers(ctx, c.Unowned)
	if err != nil {
		return err
	}
	views := []numberView{}
	l := listing{
		header: []string{"number", "name", "state", "pool", "owners", "assigned_to", "id"},
		none:   "no numbers; bring an inventory in with: rollcall numbers import FILE.csv",
	}
	if c.Unowned {
		l.none = "every number has somebody who answers for it"
	}
	for i := range numbers {
		v := viewNumber(&numbers[i])
		views = append(views, v)
		l.rows = append(l.rows, []string{v.Number, v.Name, v.State, deref(v.Pool), strings.Join(v.Owners, "; "), assignees(v.Assignments), v.ID})
	}
	l.items = views
	return l.write(env.out, c.Format)
}

// numberPage is how many numbers are read in one go.
const numberPage = 1000

// numbers reads the whole inventory, or what of it nobody answers for.
func (s *session) numbers(ctx context.Context, unowned bool) (all []store.NumberListing, err error) {
	nobody := map[string]bool{}
	if unowned {
		err := s.view(ctx, func(r *store.Reader) error {
			list, err := r.Unowned()
			for i := range list {
				nobody[list[i].ID] = true
			}
			return err
		})
		if err != nil || len(nobody) == 0 {
			return nil, err
		}
	}
	for after := ""; ; {
		var page []store.NumberListing
		err := s.view(ctx, func(r *store.Reader) (err error) {
			page, err = r.Numbers("", after, numberPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := range page {
			after = page[i].E164
			if !unowned || nobody[page[i].ID] {
				all = append(all, page[i])
			}
		}
		if len(page) < numberPage {
			return all, nil
		}
	}
}

type numberShowCmd struct {
	workspaceFlag
	Number string `arg:"" help:"The number in E.164 form."`
	Format string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (numberShowCmd) Help() string { return "Example:\n  rollcall numbers show +4722000001" }

// Run shows one number.
func (c *numberShowCmd) Run(ctx context.Context, env *environment) (err error) {
	normal, err := mapping.Normalise(c.Number, "")
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("%q: %w\ndo: write it as +4722000001", c.Number, err)}
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	var found []store.NumberListing
	err = s.view(ctx, func(r *store.Reader) (err error) {
		found, err = r.Numbers(normal.E164, "", 1)
		return err
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no number %s in workspace %s\ndo: see rollcall numbers list", normal.E164, s.workspace.ID)
	}
	v := viewNumber(&found[0])
	if c.Format == "json" {
		return writeJSON(env.out, v)
	}
	return writeFields(env.out, [][2]string{
		{"number", v.Number},
		{"name", v.Name},
		{"type", v.Type},
		{"state", v.State},
		{"pool", deref(v.Pool)},
		{"site", deref(v.Site)},
		{"owners", strings.Join(v.Owners, "; ")},
		{"assigned to", assignees(v.Assignments)},
		{"quarantine until", stamp(found[0].QuarantineUntil)},
		{"id", v.ID},
	})
}
