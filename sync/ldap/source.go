package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Kind is the kind of this source's cursors and connections.
const Kind = "ldap"

// cursorVersion is the version of the cursors' data.
const cursorVersion = 1

// Options are what a source gets from its surroundings.
type Options struct {
	// Connection is the id that stands in every identity and group.
	Connection string
	// Tenant is the pinned directory (Probe.Tenant of the first Check); ""
	// accepts any. Another one is sync.ErrTenantMismatch (RD8).
	Tenant string
	// Known gives the ids of the longest-known people, at most five: three of
	// them must be visible where no sentinel is configured (RD5). nil: none.
	Known func(ctx context.Context) ([]string, error)
	// Groups gives the ids of the groups that a Delta reads again: those that
	// the mapping names and what they nest. nil: all groups (LP5).
	Groups func(ctx context.Context) ([]string, error)
	Log    *slog.Logger     // nil: discarded
	Now    func() time.Time // nil: time.Now
}

// Source reads one directory. It is a sync.Source, sync.TellTaler and
// sync.Sweeper.
type Source struct {
	sync.Meter

	cfg Config
	opt Options
	log *slog.Logger
	now func() time.Time

	// run is held by Full, Delta, Sweep and TellTale: one at a time (SO1). It
	// guards kept.
	run  chan struct{}
	kept *link

	mu     stdsync.Mutex
	server int    // index of the URL that answered last
	dump   string // hash of the last LDIF dump read whole without a checksum file
}

var (
	_ sync.Source    = (*Source)(nil)
	_ sync.TellTaler = (*Source)(nil)
	_ sync.Sweeper   = (*Source)(nil)
	_ sync.Metered   = (*Source)(nil)
)

// New makes a source from a valid configuration; it does no input or output.
func New(cfg Config, opt Options) (*Source, error) {
	if found := cfg.Validate(); len(found) > 0 {
		return nil, fmt.Errorf("ldap: %w", errors.Join(found...))
	}
	s := &Source{cfg: cfg.withDefaults(), opt: opt, log: opt.Log, now: opt.Now, run: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Describe tells what the source can do. Tombstones are visible on some
// servers to some accounts only, so they are no promise here: Check tells.
func (s *Source) Describe() sync.Info {
	info := sync.Info{Kind: Kind, CursorV: cursorVersion, MinInterval: 10 * time.Second}
	info.Caps = sync.CapTargeted | sync.CapDisabledFlag
	if s.cfg.Groups.Base != "" {
		info.Caps |= sync.CapGroups
		if s.cfg.Groups.Nested {
			info.Caps |= sync.CapNestedGroups
		}
	}
	if !s.cfg.file() && s.cfg.Delta != "none" {
		info.Caps |= sync.CapDelta
	}
	return info
}

// SweepEvery is the longest time between two id sweeps: a lost right moves no
// tell-tale.
func (s *Source) SweepEvery() time.Duration { return s.cfg.Sweep }

// Close ends the kept connection. A run that is under way ends first.
func (s *Source) Close() error {
	s.run <- struct{}{}
	defer func() { <-s.run }()
	s.drop()
	return nil
}

// enter waits for the run before this one.
func (s *Source) enter(ctx context.Context) error {
	select {
	case s.run <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Source) leave() { <-s.run }

// link gives the kept connection, or a new one when it is gone or a secret
// has changed since. Call it between enter and leave.
func (s *Source) link(ctx context.Context) (*link, error) {
	if s.kept != nil {
		creds, err := s.credentials()
		if err != nil {
			return nil, err
		}
		if s.kept.alive() && s.kept.creds.equal(creds) {
			return s.kept, nil
		}
		s.drop()
	}
	l, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	s.kept = l
	return l, nil
}

func (s *Source) drop() {
	if s.kept != nil {
		s.kept.close()
		s.kept = nil
	}
}

func (s *Source) lastServer() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server
}

func (s *Source) setLastServer(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = i
}

// reader is one run's view of a directory: the connection with what its root
// DSE made of the configuration.
type reader struct {
	*Source
	l      *link
	plan   plan
	people dn.Name // parsed base
	// pages and entries are limited over the whole run (RD9).
	pages, entries int
	observed       workspace.Micros
}

// newReader prepares a run on a link.
func (s *Source) newReader(l *link) (*reader, error) {
	base, err := dn.Parse(s.cfg.People.Base)
	if err != nil {
		return nil, err
	}
	return &reader{Source: s, l: l, plan: newPlan(&s.cfg, l.root.flavor), people: base, observed: workspace.At(s.now())}, nil
}
