package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// unit is one unit of work on its way through the engine. It lives inside one
// transaction and is used by one goroutine.
type unit struct {
	e    *Engine
	s    *space
	tx   *store.Tx
	conn Connection
	b    Batch
	now  workspace.Micros
	// endedAt is when the unit ended access, 0 if it does not (T2).
	endedAt workspace.Micros
	actor   workspace.Actor
	// approver agrees to what would otherwise be held; nil when nobody has.
	approver *workspace.Actor
	// shown are the fingerprints of the held changes that the approver has
	// seen, of the plan shownHash: the word counts for these alone.
	shown     map[string]bool
	shownHash string

	run    string
	commit string
	owners []workspace.Member
	view   *workspace.View
	// standing is the workspace's when the unit began, for prices.
	standing store.Standing
	domains  map[string]bool
	authors  map[string]author

	plan    []planned
	tails   []func() error    // tails of the leavers, not planned yet
	repairs []store.RepairRow // failed tails that this unit tries again
	// absent are persons whose coming or return does not pass now, by key.
	absent map[string]bool
	people map[string]bool // persons planned already, by key
	// judged are persons whom the rules were asked about, by key.
	judged map[string]judged
	// records are identities as this unit has written them, by id.
	records map[string]workspace.Identity
	// restated are the subjects that show something else beside their record,
	// and recordsOf the records of members that are known.
	restated  map[string]bool
	recordsOf map[string][]workspace.Identity
	excluded  int // people whom the mapping excludes
	// ahead is what was read for all newcomers at once, nil for few.
	ahead *lookedAhead
	// careful keeps the observation behind a savepoint, so that a refusal can
	// roll it back and be recorded.
	careful bool
	notices []string
	limits  []BrakeLimit // limits of the brake that were looked at
	leavers int          // explicit leavers of this unit so far
	base    int          // people of the connection when the unit began
	// aside are the identities whose part of the plan was left out, whose keys
	// are in waits, and tripped the limits for which it was. The parts in held
	// wait person by person.
	aside         map[Part][]string
	waits         map[string]bool
	tripped, held map[Part]*BrakeHold
	settles       settles
	left          []groupLoss // directory groups that this unit takes many people out of
	// summed is the run's report with this unit added; it replaces the run's
	// once the unit is committed.
	summed    *SyncRun
	otherHalf int // changes that belong to the other half of the plan
	// secret is the link's secret of an invitation that this unit sends; it is
	// handed to the caller once and never stored.
	secret string
	// unproved: a token alone would end the membership of who signs in.
	unproved bool
	// entered is what was found out about somebody who joins by a domain.
	entered *entered
	queued  bool
	// contests is the workspace that holds a domain which this unit has proved.
	contests string
	// refused is why the request as a whole was refused, nil if it was not.
	refused  *Refusal
	counts   Counts
	outcomes []Outcome
	opened   []openHold
	decided  []store.HoldRow    // holds that this unit has closed
	finished *SyncRun           // the poll that ends with this unit, nil if none does
	findings []store.FindingRow // opened and closed by this unit
}

// planned is one change on its way, with what must be written if it is
// applied.
type planned struct {
	workspace.Change
	// subject groups held changes into one plan: "member:ID", "identity:ID".
	subject string
	// person is the plan-wide key of the person the change came from.
	person string
	// then is written when the change is applied.
	then []effect
	// observation, when set, is stored with the hold and applied on approval.
	observation []byte
	// leaver marks a cut; fallback marks what is applied only if the cut of the
	// same member is denied (containment).
	leaver, fallback bool
	// refuse answers the whole request if the change does not pass.
	refuse *Refusal
	// ruling is a verdict that the mapping has given already (a number that
	// is taken, a choice that a person must make).
	ruling *workspace.Decision
	// scarce: the rules found no number to give, so only numbers change that.
	scarce bool
}

// effect is a row that follows a change.
type effect func(tx *store.Tx) error

// author is a mapping row's owner as the workspace knows them now.
type author struct {
	id   string
	role workspace.Role
	lost bool
}

// errRefused rolls an observation back whose request is refused as a whole.
var errRefused = errors.New("request refused")

// errSplit: one person of several in a poll's batch is refused, and must not
// keep the others out.
var errSplit = errors.New("one of several people is refused")

// newUnit prepares a unit of work: who acts, with what authority, on which
// state.
func (e *Engine) newUnit(s *space, conn Connection, tx *store.Tx, b Batch) (*unit, error) {
	u := &unit{
		e: e, s: s, tx: tx, conn: conn, b: b, now: workspace.At(e.now()), run: b.Run, commit: newID(),
		people: map[string]bool{}, judged: map[string]judged{}, records: map[string]workspace.Identity{}, authors: map[string]author{},
	}
	if u.run == "" {
		u.run = newID()
	}
	var err error
	if u.standing, err = tx.Standing(); err != nil {
		return nil, err
	}
	totals := u.standing.Totals
	if u.owners, err = tx.Owners(); err != nil {
		return nil, err
	}
	u.view = &workspace.View{
		Workspace: s.cfg.ID, Zone: s.cfg.Zone, Totals: totals,
		Members: map[string]*workspace.Member{}, Numbers: map[string]*workspace.Number{}, Groups: map[string]*workspace.Group{},
		Invitations: map[string]*workspace.Invitation{}, Domains: map[string]*workspace.DomainClaim{}, Subdomains: s.cfg.Domains.Subdomains,
	}
	for i := range u.owners {
		u.view.Members[u.owners[i].ID] = &u.owners[i]
	}
	if conn.ID != "" {
		err = u.connectionActor()
	}
	return u, err
}

// connectionActor sets the actor of a connection: the smaller of acts_as and
// the sponsor's role now; without a sponsor, the authority last held
// (domain section 7).
func (u *unit) connectionActor() error {
	row, err := u.tx.Connection(u.conn.ID)
	if err != nil {
		return err
	}
	u.base, u.settles = row.UsersTotal, settles{row.FirstCreateAt, row.SettledAt}
	channel := u.b.Channel
	if channel == "" {
		channel = workspace.ChannelSync
	}
	u.actor = workspace.Actor{
		Kind: workspace.ActorConnection, ID: u.conn.ID, Label: u.conn.ID, Channel: channel, Role: u.conn.ActsAs,
		Sponsor: row.Sponsor, TokenID: u.b.TokenID, IP: u.b.IP, UserAgent: u.b.UserAgent,
	}
	held, err := workspace.ParseRole(row.Authority)
	if err != nil {
		return fmt.Errorf("connection %s: %w", u.conn.ID, err)
	}
	sponsor, err := u.member(row.Sponsor)
	switch {
	case row.Sponsor == "" || errors.Is(err, workspace.ErrNotFound):
		u.actor.SponsorLost = true
	case err != nil:
		return err
	default:
		u.actor.SponsorLabel = sponsor.Email
		if !sponsor.Usable() || !workspace.Can(sponsor.Role, "M11") {
			u.actor.SponsorLost = true
		} else {
			u.actor.Role = u.conn.ActsAs.Min(sponsor.Role)
		}
	}
	if u.actor.SponsorLost {
		u.actor.Role = u.conn.ActsAs.Min(held)
		return nil
	}
	if u.actor.Role.String() != row.Authority {
		row.Authority = u.actor.Role.String()
		return u.tx.PutConnection(row)
	}
	return nil
}

// member gives a member through the view.
func (u *unit) member(id string) (*workspace.Member, error) {
	if m, ok := u.view.Members[id]; ok {
		return m, nil
	}
	if id == "" {
		return nil, workspace.ErrNotFound
	}
	m, err := u.tx.Member(id)
	if err != nil {
		return nil, err
	}
	u.view.Members[id] = &m
	return &m, nil
}

// memberByEmail gives a member by folded address, and nil if there is none.
func (u *unit) memberByEmail(key string) (*workspace.Member, error) {
	if key == "" {
		return nil, nil
	}
	if m, ok := u.ahead.member(key); ok {
		if m == "" {
			return nil, nil
		}
		return u.member(m)
	}
	m, err := u.tx.MemberByEmail(key)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return u.member(m.ID)
}

// keep puts a number into the view, unless it is there already, and gives the
// view's.
func (u *unit) keep(n workspace.Number) *workspace.Number {
	if have, ok := u.view.Numbers[n.ID]; ok {
		return have
	}
	u.view.Numbers[n.ID] = &n
	return &n
}

// group puts a workspace group into the view.
func (u *unit) group(id string) (*workspace.Group, error) {
	if g, ok := u.view.Groups[id]; ok {
		return g, nil
	}
	g, err := u.tx.Group(id)
	if err != nil {
		return nil, err
	}
	u.view.Groups[id] = &g
	return &g, nil
}

// claimed gives the verified domains of the workspace.
func (u *unit) claimed() (map[string]bool, error) {
	if u.domains != nil {
		return u.domains, nil
	}
	claims, err := u.tx.Domains()
	if err != nil {
		return nil, err
	}
	u.domains = map[string]bool{}
	for _, c := range claims {
		if c.Holds() {
			u.domains[c.Domain] = true
		}
	}
	return u.domains, nil
}

// author finds who answers for a mapping row, and whether they still may.
func (u *unit) author(email string) (author, error) {
	if email == "" {
		return author{role: workspace.RoleOwner}, nil
	}
	key := emailKey(email)
	if a, ok := u.authors[key]; ok {
		return a, nil
	}
	var found *workspace.Member
	for i := range u.owners {
		if u.owners[i].EmailKey == key {
			found = u.view.Members[u.owners[i].ID]
		}
	}
	if found == nil {
		var err error
		if found, err = u.memberByEmail(key); err != nil {
			return author{}, err
		}
	}
	a := author{lost: true}
	if found != nil {
		a = author{id: found.ID, role: found.Role, lost: !found.Usable()}
	}
	u.authors[key] = a
	return a, nil
}

// add puts a change on the plan.
func (u *unit) add(p planned) {
	p.ID = newID()
	u.plan = append(u.plan, p)
}

// shallow copies a view: Apply replaces what it changes and never writes
// through pointers, so copying the maps is enough.
func shallow(v *workspace.View) *workspace.View {
	c := *v
	c.Members = maps.Clone(v.Members)
	c.Numbers = maps.Clone(v.Numbers)
	c.Groups = maps.Clone(v.Groups)
	c.Invitations = maps.Clone(v.Invitations)
	c.Domains = maps.Clone(v.Domains)
	return &c
}

// sortedKeys gives a map's keys in order: rows are locked in the order of
// their ids (L5).
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// emailKey is the key by which addresses are equal (I6).
func emailKey(email string) string { return fold.Email(email) }

// Apply runs a batch through the engine as one unit of work. A lost race is
// workspace.ErrStale when a record's version is not the expected one; races
// about anything else are run again here.
func (e *Engine) Apply(ctx context.Context, b Batch) (Result, error) {
	s, conn, err := e.space(b.Workspace, b.Connection)
	if err != nil {
		return Result{}, err
	}
	var res Result
	opt := store.UnitOptions{DryRun: b.DryRun, Lease: b.Lease, Token: b.Token, Urgent: b.ends()}
	try := func(careful bool) error {
		return e.raced(func() error {
			return s.h.Update(ctx, opt, func(tx *store.Tx) error {
				u, err := e.newUnit(s, conn, tx, b)
				if err != nil {
					return err
				}
				u.careful = careful
				res, err = u.observeAndCommit()
				return err
			})
		})
	}
	// Few requests are refused as a whole, and a savepoint costs the copy of
	// every page that a unit writes: the first try does without, and a refusal
	// rolls the whole unit back.
	if err = try(b.Brake != nil); errors.Is(err, errRefused) {
		err = try(true)
	}
	if err == nil && conn.Mode == ModeObserve && b.Brake == nil && !b.DryRun {
		s.observed.Store(true)
	}
	if err == nil && b.sum != nil && res.summed != nil {
		*b.sum = *res.summed
	}
	return res, err
}

// raced runs a unit again when it lost a race for a number, a group's name or
// an address that it had seen free.
func (e *Engine) raced(run func() error) error {
	var err error
	for range 3 {
		err = run()
		var conflict *store.ConflictError
		if !errors.As(err, &conflict) || conflict.Table == "identity" || conflict.Table == "dirgroup" {
			return err
		}
	}
	return err
}

// ends reports whether the batch states somebody as gone or disabled.
func (b *Batch) ends() bool {
	return slices.ContainsFunc(b.Identities, func(o IdentityObservation) bool { return o.Op == OpDelete || !o.Row.Active })
}

// observeAndCommit is the way of a batch: observe, plan, check, apply, report.
func (u *unit) observeAndCommit() (Result, error) {
	way := u.observeAndApply
	if u.careful {
		way = func() error { return u.tx.Savepoint(u.observeAndApply) }
	}
	err := way()
	switch {
	case errors.Is(err, errRefused) && u.b.sum != nil && u.b.Brake == nil && len(u.b.Identities) > 1:
		return Result{}, errSplit
	case errors.Is(err, errRefused) && u.careful:
		// Nothing of the observation stays, but access that must end ends.
		if err := u.applyRefused(); err != nil {
			return Result{}, err
		}
		if err := u.refer(); err != nil {
			return Result{}, err
		}
	case err != nil:
		return Result{}, err
	}
	if u.b.Again != nil && u.idle() {
		return Result{}, u.markUnsettled()
	}
	if err := u.record(); err != nil {
		return Result{}, err
	}
	return u.result()
}

// observeAndApply is the part of the way that a refusal undoes.
func (u *unit) observeAndApply() error {
	if err := u.observe(); err != nil {
		return err
	}
	if err := u.decide(); err != nil {
		return err
	}
	if u.refused = u.refusal(); u.refused != nil || u.b.Brake != nil && u.approver == nil {
		return errRefused
	}
	return u.apply()
}
