package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
)

type migrateCmd struct {
	configFlag
	Status bool   `help:"Only say where the schema stands; exit 3 if migrations are pending."`
	Format string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (migrateCmd) Help() string {
	return `Applies what is pending, resumably; running it twice does no harm. serve does the same at its start. A schema that
is newer than this binary is refused.

Example:
  rollcall migrate --config rollcall.yaml --status`
}

// Run migrates, or tells what would be.
func (c *migrateCmd) Run(ctx context.Context, env *environment) error {
	config, err := c.load()
	if err != nil {
		return err
	}
	url, err := config.DatabaseURL()
	if err != nil {
		return err
	}
	look := store.Migrate
	if c.Status {
		look = store.Status
	}
	status, err := look(ctx, url)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		err = writeJSON(env.out, struct {
			Current int64    `json:"current"`
			Latest  int64    `json:"latest"`
			Pending []string `json:"pending"`
		}{status.Current, status.Latest, orEmpty(status.Pending)})
	} else {
		_, err = fmt.Fprintf(env.out, "schema %d of %d\n", status.Current, status.Latest)
		if len(status.Pending) > 0 && err == nil {
			_, err = fmt.Fprintf(env.out, "pending: %s\ndo: rollcall migrate --config %s\n", strings.Join(status.Pending, ", "), c.Config)
		}
	}
	if err == nil && len(status.Pending) > 0 {
		return &exitError{code: exitHeld}
	}
	return err
}
