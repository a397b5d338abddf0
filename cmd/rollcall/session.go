package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// configFlag names the configuration.
type configFlag struct {
	Config string `help:"Configuration file; rollcall.yaml if left out." default:"rollcall.yaml" placeholder:"FILE"`
}

// load reads the configuration; a faulty one is wrong usage.
func (f *configFlag) load() (*configs.Config, error) {
	c, err := configs.Load(f.Config)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: unreadable(err)}
	}
	return c, nil
}

// unreadable adds what to do when the configuration could not be opened; its
// own problems carry their remedies.
func unreadable(err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("%w\ndo: name the file with --config FILE, and let this user read it; `rollcall check-config` judges it", err)
}

// workspaceFlag names one workspace of the configuration.
type workspaceFlag struct {
	configFlag
	Workspace string `help:"Workspace, when the configuration has several." placeholder:"ID"`
}

// formatFlag picks how a listing is written.
type formatFlag struct {
	Format string `help:"Output: ${enum}." enum:"text,json,csv" default:"text"`
}

// session is a command's way to one workspace. Close it.
type session struct {
	config    *configs.Config
	workspace *configs.Workspace
	store     *store.Store
	handle    *store.Handle
}

// open opens the store of the configured workspace for reading.
func (f *workspaceFlag) open(ctx context.Context) (*session, error) {
	c, err := f.load()
	if err != nil {
		return nil, err
	}
	w, err := f.pick(c)
	if err != nil {
		return nil, err
	}
	url, err := c.DatabaseURL()
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, store.Options{URL: url, Trace: seams.trace})
	if err != nil {
		return nil, err
	}
	return &session{config: c, workspace: w, store: s, handle: s.In(w.ID)}, nil
}

// openOrMake is open for commands that may be the first ones: they make the
// store if there is none.
func (f *workspaceFlag) openOrMake(ctx context.Context) (*session, error) {
	c, err := f.load()
	if err != nil {
		return nil, err
	}
	w, err := f.pick(c)
	if err != nil {
		return nil, err
	}
	return makeSession(ctx, c, w)
}

func makeSession(ctx context.Context, c *configs.Config, w *configs.Workspace) (*session, error) {
	url, err := c.DatabaseURL()
	if err != nil {
		return nil, err
	}
	status, err := store.Status(ctx, url)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, store.Options{URL: url, AutoMigrate: status.Current == 0, Trace: seams.trace})
	if err != nil {
		return nil, err
	}
	return &session{config: c, workspace: w, store: s, handle: s.In(w.ID)}, nil
}

// pick finds the workspace that a command is about.
func (f *workspaceFlag) pick(c *configs.Config) (*configs.Workspace, error) {
	var ids []string
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		if w.ID == f.Workspace || f.Workspace == "" && len(c.Workspaces) == 1 {
			return w, nil
		}
		ids = append(ids, w.ID)
	}
	if f.Workspace == "" {
		return nil, &exitError{exitUsage, fmt.Errorf("several workspaces: add --workspace with one of %s", strings.Join(ids, ", "))}
	}
	return nil, &exitError{exitUsage, fmt.Errorf("no workspace %q in %s: it has %s", f.Workspace, c.File, strings.Join(ids, ", "))}
}

// view runs reads on one consistent snapshot.
func (s *session) view(ctx context.Context, read func(*store.Reader) error) error {
	return s.handle.View(ctx, read)
}

// engine opens the way for writes. Reports name this binary as their build.
func (s *session) engine(ctx context.Context) (*sync.Engine, error) {
	return newEngine(ctx, s.config, s.store, slog.New(slog.DiscardHandler), time.Now, nil)
}

// withEngine opens the store and the engine for one piece of work, and closes
// the store after it.
func (f *workspaceFlag) withEngine(ctx context.Context, work func(*session, *sync.Engine) error) (err error) {
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	engine, err := s.engine(ctx)
	if err != nil {
		return err
	}
	return work(s, engine)
}

// close closes the store and keeps the error of the work before it.
func (s *session) close(err *error) { *err = errors.Join(*err, s.store.Close()) }

// newEngine wires the configuration into an engine.
func newEngine(ctx context.Context, c *configs.Config, s *store.Store, log *slog.Logger, now func() time.Time, committed func(sync.Committed)) (*sync.Engine, error) {
	opt := sync.Options{Store: s, Logger: log, Now: now, Build: buildVersion(), OnCommit: committed, Hosts: c.OwnHosts()}
	opt.Codes = sync.CodeLimits{Address: c.Limits.Codes.PerAddress, Domain: c.Limits.Codes.PerDomain, Network: c.Limits.Codes.PerNetwork}
	for i := range c.Workspaces {
		opt.Workspaces = append(opt.Workspaces, engineWorkspace(c, &c.Workspaces[i]))
	}
	return sync.New(ctx, opt)
}

func engineWorkspace(c *configs.Config, w *configs.Workspace) sync.Workspace {
	out := sync.Workspace{
		ID: w.ID, Name: w.Name, Plan: w.Plan, Zone: w.Zone, Owners: w.Owners, Rules: w.Rules, Policy: &w.Policy,
		Leavers:       sync.Leavers{Grace: w.Leavers.Grace, RestoreWindow: w.Leavers.RestoreWindow, Handover: w.Leavers.Handover},
		Period:        workspace.Period{First: w.Billing.FirstDay.Time, Last: w.Billing.LastDay.Time},
		InvitationTTL: w.Invitations.Expire, Quarantine: w.Policy.Numbers.Quarantine.Duration(), ConfigHash: c.Hash,
		Domains: w.Domains,
	}
	if out.Name == "" {
		out.Name = w.ID
	}
	for i := range w.Connections {
		conn := &w.Connections[i]
		polled := sync.Connection{ID: conn.ID, Kind: conn.Kind, Profile: conn.Profile, Mode: conn.Mode, ActsAs: conn.ActsAs, Sponsor: conn.Sponsor, Domains: conn.Domains}
		if conn.Kind == oidc.Kind {
			polled.Provider, polled.Tenant = sync.ProviderOf(conn.OIDC.Issuer), conn.OIDC.Tenant
			polled.TrustEmail, polled.Reads = string(conn.OIDC.TrustEmail), conn.OIDC.Directory.Kind != ""
			polled.SignIn = signInTerms(conn)
			polled.Signals = conn.OIDC.Signals.BackchannelLogout || conn.OIDC.Signals.SSF.Mode != ""
		}
		if conn.Kind == "scim" {
			polled.Quiet, polled.Brake = quietOf(conn), &conn.Brake
		}
		if conn.Polled() {
			polled.Brake = &conn.Brake
			polled.Every = sync.PollInterval(conn.Poll)
		}
		if conn.Kind == "ldap" {
			polled.Worst = conn.Sweep
		}
		out.Connections = append(out.Connections, polled)
	}
	return out
}
