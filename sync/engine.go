package sync

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/claim"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Options are what an engine needs.
type Options struct {
	Store      *store.Store
	Logger     *slog.Logger
	Now        func() time.Time
	Build      string // version of the binary, for reports
	Workspaces []Workspace
	// Hosts are the names of this installation, which nobody claims (DC4).
	Hosts []string
	// Codes bound how many codes for joining are mailed.
	Codes CodeLimits
	// OnCommit, when set, is told of every unit of work once it is durable. It
	// is called by many goroutines at once and must not block.
	OnCommit func(Committed)
}

// Workspace is a workspace as the configuration states it.
type Workspace struct {
	ID, Name, Plan, Zone string
	// Owners are the addresses of the first Owners: the first is the primary
	// one. They are made once, at the first start; no sync ever makes them.
	Owners      []string
	Rules       *mapping.Rules
	Policy      *workspace.Policy
	Connections []Connection
	Leavers     Leavers
	// InvitationTTL is how long an invitation is good; zero is 14 days.
	InvitationTTL time.Duration
	// Quarantine is how long a number rests in its pool; zero is 90 days.
	Quarantine time.Duration
	// Period is the billing period; zero is the calendar year.
	Period workspace.Period
	// Domains are the terms of claimed domains and of joining by them.
	Domains    DomainTerms
	ConfigHash string
}

// Leavers are the customer's terms for people who leave. No key delays the
// cut: access ends at once.
type Leavers struct {
	// Grace is how long a leaver's numbers stay reserved for them.
	Grace time.Duration
	// RestoreWindow is how long groups and numbers come back on a return.
	RestoreWindow time.Duration
	// Handover is the chain that finds who answers a leaver's numbers; nil is
	// the whole chain of domain section 10.
	Handover []string
}

// Connection is a connection as the configuration states it.
type Connection struct {
	ID, Kind, Profile string
	// Mode is ModeLive, also when it is "", or ModeObserve.
	Mode    string
	ActsAs  workspace.Role
	Sponsor string // address; "" is the primary Owner
	// Quiet is how long nobody is told yet of what it does, but for what ends
	// access: some clients make a test person first, and delete it.
	Quiet time.Duration
	// Brake are the connection's limits; nil is DefaultBrake.
	Brake *Brake
	// Provider, Tenant and TrustEmail say how its tokens prove an address (DC7);
	// the zero values prove none.
	Provider   Provider
	Tenant     string // Entra: the pinned tid
	TrustEmail string // never, verified_claim, xms_edov or hd
	// Domains are the mail domains that it may vouch for.
	Domains []string
	// Reads: it states who exists, though people sign in through it too.
	Reads  bool
	SignIn SignInTerms
	// Every is the time between two polls, and Worst the longest that a change
	// may stay unseen beside it; zero for what is pushed.
	Every, Worst time.Duration
	// Signals: the provider says itself when an account ends.
	Signals bool
}

// Engine is the one way from an observation to a change.
type Engine struct {
	store  *store.Store
	log    *slog.Logger
	now    func() time.Time
	build  string
	hosts  []string
	codes  CodeLimits
	spaces map[string]*space
	// onCommit is nil when nobody listens.
	onCommit func(Committed)
}

// space is one workspace at run time; but for observed, which is safe for
// concurrent use, it never changes after New.
type space struct {
	// observed says that a connection in observe mode has stated something
	// that its plan does not show yet.
	observed atomic.Bool

	cfg    Workspace
	h      *store.Handle
	conns  map[string]Connection
	policy *workspace.Policy
	rules  *mapping.Rules
	// location is the workspace's zone.
	location *time.Location
	// hashes are taken once: they stand in every report.
	mappingHash, policyHash, matrixHash string
	tombstoneKey                        []byte
	resolver                            *claim.Resolver
}

// ErrUnknownWorkspace and ErrUnknownConnection: the caller named something
// that the configuration does not have.
var (
	ErrUnknownWorkspace  = errors.New("no such workspace in the configuration")
	ErrUnknownConnection = errors.New("no such connection in the configuration")
)

// New checks the options, makes the rows of workspaces and connections, and
// on a first start their Owners.
func New(ctx context.Context, opt Options) (*Engine, error) {
	if opt.Store == nil {
		return nil, errors.New("sync: Options.Store is missing")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		store: opt.Store, log: opt.Logger, now: opt.Now, build: opt.Build, hosts: opt.Hosts, codes: opt.Codes.orUsual(), onCommit: opt.OnCommit,
		spaces: map[string]*space{},
	}
	for _, cfg := range opt.Workspaces {
		s, err := e.open(ctx, cfg)
		if err != nil {
			return nil, fmt.Errorf("workspace %s: %w", cfg.ID, err)
		}
		e.spaces[cfg.ID] = s
	}
	return e, nil
}

// withDefaults fills what the configuration leaves open.
func (w Workspace) withDefaults() Workspace {
	if w.Zone == "" {
		w.Zone = "UTC"
	}
	if w.Plan == "" {
		w.Plan = "business"
	}
	if w.Rules == nil {
		w.Rules = mapping.Default()
	}
	if w.Policy == nil {
		w.Policy = workspace.Default()
	}
	if w.InvitationTTL == 0 {
		w.InvitationTTL = 14 * 24 * time.Hour
	}
	if w.Quarantine == 0 {
		w.Quarantine = 90 * 24 * time.Hour
	}
	w.Domains = w.Domains.WithDefaults()
	if w.Leavers.Handover == nil {
		w.Leavers.Handover = []string{"named", "co_owner", "shared", "manager", "group", "pool", "primary_owner"}
	}
	return w
}

// periodAt is the billing period: the configured one, else the calendar year
// that a moment lies in.
func (w Workspace) periodAt(now time.Time) workspace.Period {
	if !w.Period.First.IsZero() {
		return w.Period
	}
	from := time.Date(now.Year(), time.January, 1, 0, 0, 0, 0, time.UTC)
	return workspace.Period{First: from, Last: from.AddDate(1, 0, -1)}
}

// open makes or updates a workspace's rows.
func (e *Engine) open(ctx context.Context, cfg Workspace) (*space, error) {
	cfg = cfg.withDefaults()
	if len(cfg.Owners) == 0 {
		return nil, errors.New("owners is empty: name the first Owner's address")
	}
	s := &space{cfg: cfg, h: e.store.In(cfg.ID), conns: map[string]Connection{}, policy: cfg.Policy, rules: cfg.Rules}
	s.resolver = claim.NewResolver(cfg.Domains.Reverify.Resolver)
	for _, c := range cfg.Connections {
		s.conns[c.ID] = c
	}
	var err error
	if s.location, err = time.LoadLocation(cfg.Zone); err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	s.mappingHash, s.policyHash, s.matrixHash = cfg.Rules.Hash(), cfg.Policy.Hash(), workspace.MatrixHash()
	fresh := false
	err = s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		row, err := tx.Workspace()
		fresh = errors.Is(err, workspace.ErrNotFound)
		if err != nil && !fresh {
			return err
		}
		now := e.now()
		if fresh {
			row = store.WorkspaceRow{ID: cfg.ID, Active: true, CreatedAt: workspace.At(now)}
			if row.TombstoneKey, err = newKey(); err != nil {
				return err
			}
			if row.CursorKey, err = newKey(); err != nil {
				return err
			}
		}
		row.Name, row.Plan, row.Zone = cfg.Name, cfg.Plan, cfg.Zone
		period := cfg.periodAt(now)
		row.PeriodFrom, row.PeriodTo = workspace.At(period.First), workspace.At(period.Last)
		if row.MappingHash != s.mappingHash {
			row.MappingHash = s.mappingHash
			row.MappingVersion++
		}
		roomier := !fresh && row.PolicyHash != s.policyHash && s.limitsSeats()
		row.PolicyHash = s.policyHash
		if err := tx.PutWorkspace(row); err != nil {
			return err
		}
		if roomier { // the limit may have been raised
			if err := tx.InsertFreed(store.Freed{At: workspace.At(now), ID: newID(), Kind: store.FreedSeat}); err != nil {
				return err
			}
		}
		if fresh { // there is nobody to plan yet
			if err := tx.SetPlanned(s.mappingHash); err != nil {
				return err
			}
		}
		if s.tombstoneKey, err = hex.DecodeString(row.TombstoneKey); err != nil {
			return fmt.Errorf("the workspace's tombstone key is damaged: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := e.bootstrapOwners(ctx, s, fresh); err != nil {
		return nil, err
	}
	return s, e.putConnections(ctx, s)
}

// newKey makes a random key of 32 bytes, hex.
func newKey() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}

// putConnections writes the configured connections with their sponsors.
func (e *Engine) putConnections(ctx context.Context, s *space) error {
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		owners, err := tx.Owners()
		if err != nil {
			return err
		}
		for _, c := range s.cfg.Connections {
			old, err := tx.Connection(c.ID)
			if err != nil && !errors.Is(err, workspace.ErrNotFound) {
				return err
			}
			sponsor, err := sponsorOf(tx, c, owners)
			if err != nil {
				return err
			}
			row := old
			row.ID, row.Kind, row.Profile, row.ActsAs, row.Mode = c.ID, c.Kind, c.Profile, c.ActsAs.String(), orElse(c.Mode, ModeLive)
			if old.Mode == ModeObserve && row.Mode == ModeLive {
				// What was only observed takes effect as under a new mapping: what
				// it gives at once, what it takes when a person agrees.
				if err := tx.SetPlanned(""); err != nil {
					return err
				}
			}
			row.Sponsor = sponsor
			if row.CreatedAt == 0 {
				row.CreatedAt, row.State, row.Authority = workspace.At(e.now()), "ready", c.ActsAs.String()
			}
			if err := tx.PutConnection(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// sponsorOf finds the member a connection acts for: the named one, else the
// primary Owner. A named sponsor who is no member yet leaves it empty, which
// makes expansions wait (SPONSOR).
func sponsorOf(tx *store.Tx, c Connection, owners []workspace.Member) (string, error) {
	if c.Sponsor != "" {
		m, err := tx.MemberByEmail(emailKey(c.Sponsor))
		if errors.Is(err, workspace.ErrNotFound) {
			return "", nil
		}
		return m.ID, err
	}
	for _, o := range owners {
		if o.Primary {
			return o.ID, nil
		}
	}
	return "", nil
}

// space finds a workspace and, unless connection is "", one of its connections.
func (e *Engine) space(id, connection string) (*space, Connection, error) {
	s, ok := e.spaces[id]
	if !ok {
		return nil, Connection{}, fmt.Errorf("%w: %q", ErrUnknownWorkspace, id)
	}
	if connection == "" {
		return s, Connection{}, nil
	}
	c, ok := s.conns[connection]
	if !ok {
		return nil, Connection{}, fmt.Errorf("%w: %q", ErrUnknownConnection, connection)
	}
	return s, c, nil
}

// Handle gives the store bound to a workspace, for readers.
func (e *Engine) Handle(id string) (*store.Handle, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return nil, err
	}
	return s.h, nil
}

// Rules gives a workspace's compiled mapping.
func (e *Engine) Rules(id string) (*mapping.Rules, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return nil, err
	}
	return s.rules, nil
}

// Policy gives a workspace's policy.
func (e *Engine) Policy(id string) (*workspace.Policy, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return nil, err
	}
	return s.policy, nil
}

// newID makes a UUIDv7: ids made later sort later.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
