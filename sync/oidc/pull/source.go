package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Group names a group that the mapping reads: by immutable id, or by display
// name. A bare name of a mapping may be either, so it comes as both.
type Group struct{ ID, Name string }

// Options are what a source gets from its surroundings.
type Options struct {
	// Connection is the id that stands in every identity and group.
	Connection string
	// Sentinel is the id or login name of a person who must be visible in
	// every whole read (RD5); "" has none.
	Sentinel string
	// Known gives the ids of the longest-known people, at most five: three of
	// them must be visible where no sentinel is configured (RD5). nil: none.
	Known func(ctx context.Context) ([]string, error)
	// Mapped are the groups that the mapping names, for groups: mapped.
	Mapped []Group
	// Groups gives the ids of the groups that the store knows: one that the
	// API no longer has is emptied by a Full. nil: none.
	Groups func(ctx context.Context) ([]string, error)
	// Unknown gives those of some ids that the store does not have as people.
	// nil: all of them.
	Unknown func(ctx context.Context, ids []string) ([]string, error)
	// CA is file:PATH of the authorities trusted instead of the system's.
	CA string
	// Buckets are shared by all sources of a process; nil: the source's own.
	Buckets *Buckets
	Log     *slog.Logger     // nil: discarded
	Now     func() time.Time // nil: time.Now
	// Pause waits; nil waits for real.
	Pause func(ctx context.Context, d time.Duration) error
}

// provider is one kind of API. Its methods run within one run of a Source,
// but for get and check, which may run beside it.
type provider interface {
	// info tells capabilities and the smallest sane interval.
	info() (sync.Capability, time.Duration)
	// describe adds to the scope whatever decides what is read (CU3).
	describe() any
	// tenant gives the id of the directory that answers, "" if it has none.
	tenant(ctx context.Context) (string, error)
	// mark writes the watermark of this moment, before anything is read (CU4).
	mark(ctx context.Context, at *position) error
	// people reads everybody; the text is the end mark that it met (RD1).
	people(ctx context.Context, r *reader) (end string, err error)
	// groups is how groups are read.
	groups() groupAPI
	// delta reads what changed; nil ErrCursorGone from those that cannot.
	delta(ctx context.Context, r *reader, from position) (position, error)
	// get reads one person: sync.ErrDeleted, or errNotFound.
	get(ctx context.Context, id string) (workspace.Identity, error)
	// visible reads one person, anybody: false when nobody shows (AB2).
	visible(ctx context.Context) (bool, error)
	// check tries the rights.
	check(ctx context.Context, c *checkup) error
}

// errNotFound: the API says that there is no such thing. What it means is for
// the caller, since a lost right may look the same.
var errNotFound = errors.New("not found")

// Source reads one directory API. It is a sync.Source.
type Source struct {
	*core
	provider provider
	scope    string
	maxPages int // of a run (RD9)
	// run is held by Full and Delta: one at a time (SO1).
	run chan struct{}
}

// core is what a source shares with its provider.
type core struct {
	sync.Meter

	cfg    oidc.Config // with defaults
	dir    *oidc.DirectoryConfig
	opt    Options
	log    *slog.Logger
	now    func() time.Time
	api    *api
	schema schema
}

var _ sync.Source = (*Source)(nil)

// Directory is a source with its connections.
type Directory interface {
	sync.Source
	io.Closer
	// TenantDomains reads the domains that the pinned tenant has verified, now;
	// nil where the API tells none. It may run beside a run.
	TenantDomains(ctx context.Context) ([]string, error)
}

// New makes a source from a valid configuration; it does no input or output.
// It is a sync.Sweeper where no delta shows who was deleted.
func New(cfg oidc.Config, opt Options) (Directory, error) {
	s, err := newSource(cfg, opt)
	if err != nil {
		return nil, err
	}
	if s.dir.Kind == oidc.SCIM {
		return Sweeper{s}, nil
	}
	return s, nil
}

func newSource(cfg oidc.Config, opt Options) (*Source, error) {
	if found := cfg.Validate(); len(found) > 0 {
		return nil, fmt.Errorf("oidc: %w", errors.Join(found...))
	}
	if !cfg.Directory.Has() {
		return nil, errors.New("oidc: directory.kind: is missing")
	}
	c := &core{cfg: cfg.WithDirectoryDefaults(), opt: opt, log: opt.Log, now: opt.Now}
	c.dir = &c.cfg.Directory
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	s := &Source{core: c, maxPages: maxPages, run: make(chan struct{}, 1)}
	var err error
	if c.schema.fields, err = fieldsOf(kinds[c.dir.Kind].attributes, c.dir.Attributes); err != nil {
		return nil, fmt.Errorf("directory.%w", err)
	}
	s.provider = kinds[c.dir.Kind].provider(c)
	s.scope = s.scopeOf()
	return s, nil
}

// connect prepares the client, the tokens and the rate bucket.
func (c *core) connect() error {
	a := &c.dir.Auth
	base, err := url.Parse(c.dir.APIBase)
	if err != nil {
		return fmt.Errorf("directory.api_base: %w", err)
	}
	client := func(most int64) (*http.Client, error) {
		return oidc.NewClient(oidc.ClientOptions{AllowPrivateNetworks: c.cfg.AllowPrivateNetworks, CA: c.opt.CA, MaxBody: most})
	}
	small, err := client(oidc.MaxDocument)
	if err != nil {
		return err
	}
	large, err := client(oidc.MaxPage)
	if err != nil {
		return err
	}
	tokens, err := grant.New(grant.Options{
		Client: small, Endpoint: a.TokenEndpoint, Method: grant.Method(a.Method), ClientID: a.ClientID, ClientSecret: a.ClientSecret, Key: a.Key,
		Token: a.Token, KeyID: a.KeyID, Algorithm: a.Algorithm, Audience: a.Audience, Scopes: a.Scopes, Subject: a.Subject, DPoP: a.DPoP == "on", Now: c.now,
	})
	if err != nil {
		return err
	}
	rate, buckets := kinds[c.dir.Kind].limit/2, c.opt.Buckets
	if c.dir.Rate > 0 {
		rate = float64(c.dir.Rate)
	}
	if buckets == nil {
		buckets = &Buckets{}
	}
	c.api = &api{
		meter: &c.Meter,
		base:  base, client: large, tokens: tokens, bucket: buckets.of(base.Host, rate), now: c.now, pause: c.opt.Pause, fixed: c.dir.Rate > 0,
	}
	if c.api.pause == nil {
		c.api.pause = pause
	}
	return nil
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// scopeOf is the hash of everything that decides who is read and what is read
// of them (CU3).
func (s *Source) scopeOf() string {
	var names [][]string
	for _, f := range s.schema.fields {
		names = append(names, append([]string{f.name}, f.texts...))
	}
	var mapped []Group
	if s.dir.Groups == oidc.GroupsMapped {
		mapped = s.opt.Mapped
	}
	text, err := json.Marshal([]any{cursorVersion, s.dir.Kind, s.dir.APIBase, s.cfg.Tenant, s.dir.Groups, mapped, names, s.provider.describe()})
	if err != nil {
		panic(err) // plain strings and lists only
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Describe tells what the source can do.
func (s *Source) Describe() sync.Info {
	caps, least := s.provider.info()
	caps |= sync.CapTargeted | sync.CapDisabledFlag
	if s.dir.Groups != oidc.GroupsNone {
		caps |= sync.CapGroups
	} else {
		caps &^= sync.CapNestedGroups
	}
	return sync.Info{Kind: s.dir.Kind, Caps: caps, MinInterval: least, CursorV: cursorVersion}
}

// Close ends connections that are kept. A run that is under way ends first.
func (s *Source) Close() error {
	s.run <- struct{}{}
	defer func() { <-s.run }()
	s.api.client.CloseIdleConnections()
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

// server is the name of what answers, for proofs (RD8).
func (s *Source) server() string { return s.api.base.Host }

// pinned compares the tenant that answers with the configured one and with
// the one of the last run (RD8).
func (s *Source) pinned(ctx context.Context, before string) (string, error) {
	tenant, err := s.provider.tenant(ctx)
	if err != nil {
		return "", err
	}
	for _, want := range []string{s.cfg.Tenant, before} {
		if want != "" && tenant != "" && tenant != want {
			return "", fmt.Errorf("%w: tenant %s, not %s", sync.ErrTenantMismatch, clean(tenant), clean(want))
		}
	}
	return tenant, nil
}

// Full reads everybody and the groups. The cursor is that of the moment before
// reading began (CU4). A broken run begins again.
func (s *Source) Full(ctx context.Context, from sync.Cursor, sink sync.Sink) (sync.Cursor, error) {
	if err := s.enter(ctx); err != nil {
		return sync.Cursor{}, err
	}
	defer s.leave()
	began := s.now()
	before, _ := readPosition(from, s.dir.Kind, s.scope) // what is gone pins nothing and is read anew
	tenant, err := s.pinned(ctx, before.Tenant)
	if err != nil {
		return sync.Cursor{}, err
	}
	next := position{Server: s.server(), Tenant: tenant}
	if err := s.provider.mark(ctx, &next); err != nil {
		return sync.Cursor{}, err
	}
	r := s.newReader(sink, position{Server: next.Server, Tenant: tenant}.cursor(s.dir.Kind, s.scope, began))
	end, err := s.provider.people(ctx, r)
	if err == nil {
		err = r.wholePeople(ctx)
	}
	if err != nil {
		return sync.Cursor{}, err
	}
	if next.Closure, err = s.readGroups(ctx, r); err != nil {
		return sync.Cursor{}, err
	}
	if ctx.Err() != nil {
		return sync.Cursor{}, context.Cause(ctx)
	}
	proof := sync.Proof{
		Server: s.server() + " " + tenant, EndMark: end, Pages: r.pages, People: len(r.seen), Groups: r.groups, SentinelSeen: r.sentinel, Since: began,
	}
	if err := sink.Done(ctx, proof); err != nil {
		return sync.Cursor{}, err
	}
	return next.cursor(s.dir.Kind, s.scope, began), nil
}

// Delta reads what changed since the cursor, if the API can tell.
func (s *Source) Delta(ctx context.Context, from sync.Cursor, sink sync.Sink) (sync.Cursor, error) {
	if err := s.enter(ctx); err != nil {
		return sync.Cursor{}, err
	}
	defer s.leave()
	began := s.now()
	at, err := readPosition(from, s.dir.Kind, s.scope)
	if err != nil {
		return sync.Cursor{}, err
	}
	if caps, _ := s.provider.info(); caps&sync.CapDelta == 0 {
		return sync.Cursor{}, fmt.Errorf("%w: this API cannot tell what changed", sync.ErrCursorGone)
	}
	if at.Tenant, err = s.pinned(ctx, at.Tenant); err != nil {
		return sync.Cursor{}, err
	}
	r := s.newReader(sink, from)
	next, err := s.provider.delta(ctx, r, at)
	if err == nil {
		err = r.flagged()
	}
	if err == nil {
		err = r.flush(ctx)
	}
	if err != nil {
		return sync.Cursor{}, err
	}
	if ctx.Err() != nil {
		return sync.Cursor{}, context.Cause(ctx)
	}
	next.Server, next.Tenant = at.Server, at.Tenant
	return next.cursor(s.dir.Kind, s.scope, began), nil
}

// Get is the confirming read of one id. ErrDeleted is what the API itself
// says; ErrAbsent is said only while somebody else is visible (AB2).
func (s *Source) Get(ctx context.Context, id string) (workspace.Identity, error) {
	if !safeID(id) {
		return workspace.Identity{}, fmt.Errorf("%q is no id of this source", clean(id))
	}
	found, err := s.provider.get(ctx, id)
	if !errors.Is(err, errNotFound) {
		return found, err
	}
	visible, err := s.provider.visible(ctx)
	switch {
	case err != nil:
		return workspace.Identity{}, err
	case !visible:
		return workspace.Identity{}, &sync.IncompleteError{Why: "no entry has the id " + id + ", but nobody else is visible either, so a right may be lost (AB2)"}
	}
	return workspace.Identity{}, fmt.Errorf("%w: %s", sync.ErrAbsent, id)
}

// TenantDomains reads the domains that the pinned tenant has verified (DC7).
func (s *Source) TenantDomains(ctx context.Context) ([]string, error) {
	if p, ok := s.provider.(interface {
		domains(ctx context.Context) ([]string, error)
	}); ok {
		return p.domains(ctx)
	}
	return nil, nil
}

// safeID tells whether an id can stand in a path: no API has others, and a
// path must not be led elsewhere by one.
func safeID(id string) bool {
	if id == "" || len(id) > 256 || id == "." || id == ".." {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c >= 0x7f || c == '/' || c == '\\' || c == '?' || c == '#' || c == '%' {
			return false
		}
	}
	return true
}
