package main

import (
	"context"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

type domainsCmd struct {
	List domainListCmd `cmd:"" default:"withargs" help:"List claimed domains (the default)."`
}

// domainView is a claimed domain in JSON (the contract of architecture.md).
type domainView struct {
	Domain     string            `json:"domain"`
	State      string            `json:"state"`
	VerifiedAt *workspace.Micros `json:"verified_at"`
}

type domainListCmd struct {
	workspaceFlag
	formatFlag
}

// Help is shown by --help.
func (domainListCmd) Help() string { return "Example:\n  rollcall domains list" }

// Run lists domains by name.
func (c *domainListCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	var claims []workspace.DomainClaim
	err = s.view(ctx, func(r *store.Reader) (err error) {
		claims, err = r.Domains()
		return err
	})
	if err != nil {
		return err
	}
	views := []domainView{}
	l := listing{header: []string{"domain", "state", "verified"}, none: "no claimed domains"}
	for _, d := range claims {
		views = append(views, domainView{d.Domain, string(d.State), optionalTime(d.VerifiedAt)})
		l.rows = append(l.rows, []string{d.Domain, string(d.State), stamp(d.VerifiedAt)})
	}
	l.items = views
	return l.write(env.out, c.Format)
}
