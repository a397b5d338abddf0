package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

type connectionsCmd struct {
	List connectionListCmd `cmd:"" default:"withargs" help:"List connections with their state (the default)."`
	Show connectionShowCmd `cmd:"" help:"Show one connection."`
	Test connectionTestCmd `cmd:"" help:"Test a directory: address, credentials, each right; says what is missing."`
	// ApproveHosts is about a provider that has moved (ON1).
	ApproveHosts approveHostsCmd `cmd:"" name:"approve-hosts" help:"Let a connection go on after its provider's endpoints have moved to another host."`
	// Watched is about liveness.
	Watched connectionWatchedCmd `cmd:"" help:"List whom the provider is asked about, and who has no deprovisioning path."`
}

// connectionView is a connection in JSON.
type connectionView struct {
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	Mode      *string           `json:"mode"`  // live, observe; none for kind api
	State     string            `json:"state"` // ready, degraded
	Cause     *string           `json:"cause"`
	Failures  int               `json:"failures"`
	NextTryAt *workspace.Micros `json:"next_try_at"`
	LastGood  *workspace.Micros `json:"last_good_run_at"`
	LastFull  *workspace.Micros `json:"last_full_at"`
	LastSweep *workspace.Micros `json:"last_sweep_at"`
	People    int               `json:"people"`
	Groups    int               `json:"groups"`
	Server    *string           `json:"server"`
	Mark      *string           `json:"mark"`
	Held      int               `json:"held_plans"`
	SCIM      *scimView         `json:"scim"`    // of kind scim, in show alone
	SignIn    *signInView       `json:"sign_in"` // of kind oidc
}

// connections reads the state of the configured connections.
func (s *session) connections(ctx context.Context) ([]connectionView, error) {
	views := []connectionView{}
	err := s.view(ctx, func(r *store.Reader) error {
		holds, err := r.OpenHolds("")
		if err != nil {
			return err
		}
		for i := range s.workspace.Connections {
			v, err := readConnection(r, &s.workspace.Connections[i], holds)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	return views, err
}

func readConnection(r *store.Reader, c *configs.Connection, holds []store.HoldRow) (connectionView, error) {
	v := connectionView{ID: c.ID, Kind: c.Kind, State: "ready"}
	if c.Kind != "api" {
		v.Mode = optionalText(c.Mode)
	}
	row, err := r.Connection(c.ID)
	if errors.Is(err, workspace.ErrNotFound) {
		return v, nil // configured since the last start
	}
	if err != nil {
		return v, err
	}
	v.State, v.LastGood, v.People, v.Groups = row.State, optionalTime(row.LastGoodRunAt), row.UsersTotal, row.GroupsTotal
	for i := range holds {
		if holds[i].Connection == c.ID {
			v.Held++
		}
	}
	if c.Kind == oidc.Kind {
		var cause string
		if v.SignIn, cause, err = readSignIn(r, c, time.Now()); err != nil {
			return v, err
		}
		if v.Cause = optionalText(cause); v.Cause != nil {
			v.State = "degraded"
		}
	}
	if !c.Polled() {
		return v, nil
	}
	p, err := r.PollState(c.ID)
	v.Failures, v.NextTryAt, v.LastFull, v.LastSweep = p.Failures, optionalTime(p.NextAt), optionalTime(p.LastFullAt), optionalTime(p.LastSweepAt)
	v.Server, v.Mark = optionalText(p.Server), optionalText(p.Mark)
	if p.Cause != "" {
		v.Cause = &p.Cause
	}
	if v.Cause != nil {
		v.State = "degraded"
	}
	return v, err
}

// optionalText is text in JSON, null for none.
func optionalText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type connectionListCmd struct {
	workspaceFlag
	formatFlag
}

// Help is shown by --help.
func (connectionListCmd) Help() string { return "Example:\n  rollcall connections list --format json" }

// Run lists the connections.
func (c *connectionListCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	views, err := s.connections(ctx)
	if err != nil {
		return err
	}
	l := listing{
		items: views, header: []string{"id", "kind", "state", "last_good_run", "people", "groups", "held_plans", "cause"},
		none: "no connection is configured",
	}
	for i := range views {
		v := &views[i]
		l.rows = append(l.rows, []string{
			v.ID, v.Kind, v.State, stampOf(v.LastGood), strconv.Itoa(v.People), strconv.Itoa(v.Groups), strconv.Itoa(v.Held), deref(v.Cause),
		})
	}
	return l.write(env.out, c.Format)
}

// stampOf shows an optional time.
func stampOf(m *workspace.Micros) string {
	if m == nil {
		return ""
	}
	return stamp(*m)
}

type connectionShowCmd struct {
	workspaceFlag
	ID     string `arg:"" name:"connection" help:"Connection."`
	Format string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (connectionShowCmd) Help() string { return "Example:\n  rollcall connections show corp" }

// Run shows one connection.
func (c *connectionShowCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	if err := knownConnection(s.workspace, c.ID); err != nil {
		return err
	}
	views, err := s.connections(ctx)
	if err != nil {
		return err
	}
	for i := range views {
		v := &views[i]
		if v.ID != c.ID {
			continue
		}
		if err := s.describeSCIM(ctx, v); err != nil {
			return err
		}
		if c.Format == "json" {
			return writeJSON(env.out, v)
		}
		return writeFields(env.out, append([][2]string{
			{"id", v.ID},
			{"kind", v.Kind},
			{"mode", deref(v.Mode)},
			{"state", v.State},
			{"cause", deref(v.Cause)},
			{"failed runs", zeroIsNone(v.Failures)},
			{"next try", stampOf(v.NextTryAt)},
			{"last good run", stampOf(v.LastGood)},
			{"last full read", stampOf(v.LastFull)},
			{"last id sweep", stampOf(v.LastSweep)},
			{"people", strconv.Itoa(v.People)},
			{"groups", strconv.Itoa(v.Groups)},
			{"held plans", strconv.Itoa(v.Held)},
			{"server", deref(v.Server)},
			{"mark", deref(v.Mark)},
		}, append(v.SCIM.fields(), v.SignIn.fields()...)...))
	}
	return nil
}

func zeroIsNone(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

type connectionTestCmd struct {
	workspaceFlag
	Connection string `arg:"" help:"Connection of kind ldap or oidc."`
	Format     string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (connectionTestCmd) Help() string {
	return `Signs in at the directory as the daemon would and tries every right with a small read; writes nothing, here or there, and needs no store.
Of kind oidc, looks at what sign-in and signals need too.
Exit 0 if all that is needed is there, 1 if not. Warnings say what will stay invisible.

Example:
  rollcall connections test corp`
}

// Run tests one connection.
func (c *connectionTestCmd) Run(ctx context.Context, env *environment) error {
	config, err := c.load()
	if err != nil {
		return err
	}
	w, err := c.pick(config)
	if err != nil {
		return err
	}
	connection, err := testedConnection(w, c.Connection)
	if err != nil {
		return err
	}
	found, err := testConnection(ctx, config, w, connection)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		err = writeJSON(env.out, found)
	} else {
		err = found.text(env.out)
	}
	if err == nil && !found.OK {
		return &exitError{code: exitFailed}
	}
	return err
}

// testLimit bounds a whole test of a connection.
const testLimit = 10 * time.Minute

// probeView is what a test found, in JSON.
type probeView struct {
	ConnectionID string      `json:"connection_id"`
	OK           bool        `json:"ok"`
	Error        *string     `json:"error"`
	Server       string      `json:"server"`
	Tenant       string      `json:"tenant"`
	People       int         `json:"people"`
	Groups       int         `json:"groups"`
	Rights       []rightView `json:"rights"`
	Warnings     []string    `json:"warnings"`

	reads bool // the connection has a directory
}

// rightView is one right that the account needs.
type rightView struct {
	Need     string `json:"need"`
	Granted  bool   `json:"granted"`
	Optional bool   `json:"optional"`
	Why      string `json:"why"`
	Remedy   string `json:"remedy"`
}

// testedConnection finds a connection that can be tested.
func testedConnection(w *configs.Workspace, id string) (*configs.Connection, error) {
	if c, err := oidcConnection(w, id); err == nil {
		return c, nil
	}
	return polledConnection(w, id)
}

// testConnection is "test connection": the directory, and what sign-in needs.
func testConnection(ctx context.Context, config *configs.Config, w *configs.Workspace, c *configs.Connection) (v probeView, err error) {
	v = probeView{ConnectionID: c.ID, OK: true, Rights: []rightView{}, Warnings: []string{}}
	if c.Polled() {
		if v, err = testDirectory(ctx, w, c); err != nil {
			return v, err
		}
	}
	if c.Kind != oidc.Kind || c.Polled() && !c.OIDC.SignIn.Has() && !c.OIDC.Signals.SSF.Has() {
		return v, nil // nobody signs in: the provider's discovery document is not asked for
	}
	var ring *oidc.Ring
	if !config.KeyRing.IsZero() {
		ring = oidc.NewRing(config.KeyRing)
	}
	p, err := oidc.New(c.OIDC, oidc.Options{Connection: c.ID, CA: c.CA, Ring: ring})
	if err != nil {
		return v, err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	probe := p.Check(ctx)
	if v.Server == "" {
		v.Server, v.Tenant = probe.Server, probe.Tenant
	}
	v.Warnings = append(v.Warnings, probe.Warnings...)
	for _, r := range probe.Rights {
		v.Rights = append(v.Rights, rightView(r))
		v.OK = v.OK && r.Granted
	}
	return v, nil
}

// testDirectory tests the directory of a connection. What the directory answers is the
// verdict; an error is ours.
func testDirectory(ctx context.Context, w *configs.Workspace, c *configs.Connection) (v probeView, err error) {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	d, err := openDirectory(w, c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, d.source.Close()) }()
	probe, perr := d.source.Check(ctx)
	v = probeView{
		ConnectionID: c.ID, OK: perr == nil, Server: probe.Server, Tenant: probe.Tenant, People: probe.People, Groups: probe.Groups,
		Rights: []rightView{}, Warnings: orEmpty(probe.Warnings), reads: true,
	}
	if perr != nil {
		v.Error = optionalText(perr.Error())
	}
	for _, r := range probe.Rights {
		v.Rights = append(v.Rights, rightView(r))
		v.OK = v.OK && (r.Granted || r.Optional)
	}
	return v, nil
}

// oneOr picks the word for a number of things.
func oneOr(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// text writes the test for people: what is missing comes with what to do.
func (v *probeView) text(out io.Writer) error {
	var b strings.Builder
	if v.Server != "" {
		fmt.Fprintf(&b, "%s: %s, %s %s, %s %s\n", v.ConnectionID, clean(v.Server),
			thousands(v.People), oneOr(v.People, "person", "people"), thousands(v.Groups), oneOr(v.Groups, "group", "groups"))
	}
	for _, r := range v.Rights {
		mark := "ok"
		switch {
		case !r.Granted && r.Optional:
			mark = "without"
		case !r.Granted:
			mark = "MISSING"
		}
		fmt.Fprintf(&b, "%-8s%s", mark, clean(r.Need))
		if r.Why != "" {
			fmt.Fprintf(&b, "   (%s)", clean(r.Why))
		}
		b.WriteByte('\n')
		if r.Remedy != "" {
			fmt.Fprintf(&b, "        do   %s\n", clean(r.Remedy))
		}
	}
	for _, w := range v.Warnings {
		fmt.Fprintf(&b, "note    %s\n", clean(w))
	}
	switch {
	case v.Error != nil:
		fmt.Fprintf(&b, "FAILED  %s: %s\n        do   %s\n", v.ConnectionID, clean(*v.Error), connectHint)
	case v.OK && !v.reads:
		fmt.Fprintf(&b, "%s is good; next: sign in at /signin/%s\n", v.ConnectionID, v.ConnectionID)
	case v.OK:
		fmt.Fprintf(&b, "%s is good; next: rollcall sync %s --dry-run\n", v.ConnectionID, v.ConnectionID)
	default:
		fmt.Fprintf(&b, "%s is not good yet: see what is MISSING\n", v.ConnectionID)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// connectHint is what to look at when the directory could not be asked.
const connectHint = "mend what is named (url, issuer or api_base, ca, the account, the file of its secret) and test again; nothing was changed"
