package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type domainsCmd struct {
	List    domainListCmd    `cmd:"" default:"withargs" help:"List claimed domains (the default)."`
	Show    domainShowCmd    `cmd:"" help:"Show one claim, with the DNS record that proves it."`
	Claim   domainClaimCmd   `cmd:"" help:"Claim a mail domain; prints the DNS record to publish."`
	Verify  domainVerifyCmd  `cmd:"" help:"Look for the record now, and let people join if it is there."`
	Release domainReleaseCmd `cmd:"" help:"Give a claim up; members stay."`
}

// domainView is a claimed domain in JSON (the contract of architecture.md).
type domainView struct {
	Domain       string            `json:"domain"`
	Unicode      string            `json:"unicode"`
	State        string            `json:"state"`
	Contested    bool              `json:"contested"`
	VerifiedAt   *workspace.Micros `json:"verified_at"`
	ProvedAt     *workspace.Micros `json:"proved_at"`
	CheckedAt    *workspace.Micros `json:"checked_at"`
	MissingSince *workspace.Micros `json:"missing_since"`
	NextCheckAt  *workspace.Micros `json:"next_check_at"`
	RecordName   string            `json:"record_name"`
	RecordValue  *string           `json:"record_value"`
	Fault        *string           `json:"fault"`
	Warnings     []string          `json:"warnings"`
}

func viewDomain(d *workspace.DomainClaim, known []string) domainView {
	v := domainView{
		Domain: d.Domain, Unicode: sync.ShowDomain(d.Domain), State: string(d.State), Contested: d.ContestedAt != 0,
		VerifiedAt: optionalTime(d.VerifiedAt), ProvedAt: optionalTime(d.ProvedAt), CheckedAt: optionalTime(d.CheckedAt),
		MissingSince: optionalTime(d.MissingSince), NextCheckAt: optionalTime(d.DueAt), RecordName: sync.RecordName(d.Domain),
		Warnings: orEmpty(sync.DomainWarnings(d.Domain, known)),
	}
	if d.State == workspace.DomainPending {
		v.NextCheckAt = nil // it is looked for when somebody asks
	}
	if d.Challenge != "" {
		v.RecordValue = &d.Challenge
	}
	if d.Fault != "" {
		v.Fault = &d.Fault
	}
	return v
}

// domains reads all claims of the workspace.
func (s *session) domains(ctx context.Context) (views []domainView, err error) {
	var claims []workspace.DomainClaim
	err = s.view(ctx, func(r *store.Reader) (err error) {
		claims, err = r.Domains()
		return err
	})
	if err != nil {
		return nil, err
	}
	known := make([]string, len(claims))
	for i := range claims {
		known[i] = claims[i].Domain
	}
	views = []domainView{}
	for i := range claims {
		views = append(views, viewDomain(&claims[i], known))
	}
	return views, nil
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
	views, err := s.domains(ctx)
	if err != nil {
		return err
	}
	l := listing{
		items: views, header: []string{"domain", "state", "verified", "proved", "next_check", "fault"},
		none: "no claimed domains; claim one with: rollcall domains claim DOMAIN --as YOU",
	}
	for i := range views {
		v := &views[i]
		l.rows = append(l.rows, []string{v.Unicode, v.state(), stampOf(v.VerifiedAt), stampOf(v.ProvedAt), stampOf(v.NextCheckAt), deref(v.Fault)})
	}
	return l.write(env.out, c.Format)
}

// state adds that the claim is disputed.
func (v *domainView) state() string {
	if v.Contested && v.State != string(workspace.DomainContested) {
		return v.State + ", contested"
	}
	return v.State
}

// show writes one claim with what is to be done about it.
func (v *domainView) show(env *environment, format string) error {
	if format == "json" {
		return writeJSON(env.out, v)
	}
	publish := ""
	if v.RecordValue != nil {
		publish = fmt.Sprintf("%s. IN TXT %q", v.RecordName, *v.RecordValue)
	}
	return writeFields(env.out, [][2]string{
		{"domain", v.Unicode},
		{"state", v.state()},
		{"record", publish},
		{"verified", stampOf(v.VerifiedAt)},
		{"last proof", stampOf(v.ProvedAt)},
		{"last look", stampOf(v.CheckedAt)},
		{"missing since", stampOf(v.MissingSince)},
		{"next look", stampOf(v.NextCheckAt)},
		{"fault", deref(v.Fault)},
		{"warning", strings.Join(v.Warnings, "; ")},
	})
}

type domainShowCmd struct {
	workspaceFlag
	Domain string `arg:"" help:"The domain."`
	Format string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (domainShowCmd) Help() string { return "Example:\n  rollcall domains show acme.com" }

// Run shows one claim.
func (c *domainShowCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	v, err := s.domain(ctx, c.Domain)
	if err != nil {
		return err
	}
	return v.show(env, c.Format)
}

// domain finds one claim by its name in either form.
func (s *session) domain(ctx context.Context, name string) (*domainView, error) {
	views, err := s.domains(ctx)
	if err != nil {
		return nil, err
	}
	for i := range views {
		if views[i].Domain == fold.Domain(name) {
			return &views[i], nil
		}
	}
	return nil, fmt.Errorf("%s is not claimed in workspace %s\ndo: see rollcall domains list", name, s.workspace.ID)
}

type domainClaimCmd struct {
	workspaceFlag
	asFlag
	Domain string `arg:"" help:"The domain, such as acme.com."`
	Reason string `help:"Why."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (domainClaimCmd) Help() string {
	return "Publish the record that is printed within 7 days, then: rollcall domains verify DOMAIN --as YOU\n\n" +
		"Example:\n  rollcall domains claim acme.com --as ann@acme.com"
}

// Run claims.
func (c *domainClaimCmd) Run(ctx context.Context, env *environment) (err error) {
	err = c.edit(ctx, env, c.asFlag, c.DryRun, sync.Edit{Kind: sync.EditClaim, Domain: c.Domain, Reason: c.Reason})
	if err != nil || c.DryRun {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	v, err := s.domain(ctx, c.Domain)
	if err != nil {
		return err
	}
	return v.show(env, "text")
}

type domainVerifyCmd struct {
	workspaceFlag
	asFlag
	Domain string `arg:"" help:"The domain."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (domainVerifyCmd) Help() string {
	return "Example:\n  rollcall domains verify acme.com --as ann@acme.com"
}

// Run looks for the proof.
func (c *domainVerifyCmd) Run(ctx context.Context, env *environment) error {
	return c.withEngine(ctx, func(s *session, engine *sync.Engine) error { return c.verify(ctx, env, s, engine) })
}

func (c *domainVerifyCmd) verify(ctx context.Context, env *environment, s *session, engine *sync.Engine) error {
	result, err := engine.VerifyDomain(ctx, sync.DomainCheck{Domain: c.Domain, EditBatch: s.batch(c.As, c.DryRun)})
	if err != nil {
		return err
	}
	if err := writeOutcomes(env.out, &result, c.DryRun); err != nil {
		return err
	}
	if err := verdict(&result); err != nil || c.DryRun {
		return err
	}
	v, err := s.domain(ctx, c.Domain)
	if err != nil {
		return err
	}
	return errors.Join(v.show(env, "text"), v.settled())
}

// settled is the exit code of a claim that nobody joins by yet.
func (v *domainView) settled() error {
	if v.Contested {
		return &exitError{code: exitHeld}
	}
	return nil
}

type domainReleaseCmd struct {
	workspaceFlag
	asFlag
	Domain string `arg:"" help:"The domain."`
	Reason string `help:"Why."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (domainReleaseCmd) Help() string {
	return "Nobody joins by it from then on. Who has joined stays.\n\nExample:\n  rollcall domains release acme.com --as ann@acme.com"
}

// Run releases.
func (c *domainReleaseCmd) Run(ctx context.Context, env *environment) error {
	return c.edit(ctx, env, c.asFlag, c.DryRun, sync.Edit{Kind: sync.EditRelease, Domain: c.Domain, Reason: c.Reason})
}
