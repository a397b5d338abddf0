package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// SignInTerms are how people sign in through a connection. The zero value is
// a connection through which nobody does.
type SignInTerms struct {
	// Records names the connection whose records these people are: the
	// subject of a token is the immutable id there. "" is the connection itself.
	Records string
	// Lifetime is how long a session lasts at most; zero is 12 hours.
	Lifetime time.Duration
	// Every is how often the provider is asked about each person; zero is never.
	Every time.Duration
}

// SignedIn is what a provider has proved of somebody who signs in just now:
// evidence of class A, stale a second later (sources section 9).
type SignedIn struct {
	Issuer, Subject string // Subject is the immutable id: sub, or oid of Entra
	SID             string // the provider's session, "" if it names none
	// Identity is the person as the claims state them.
	Identity workspace.Identity
	// Groups are those of the token. Known is false when it says nothing about
	// groups; Overage, when it has too many to say (OS5).
	Groups      []string
	GroupsKnown bool
	Overage     bool
	AuthAt      time.Time // when the person showed who they are; zero: not stated
	SeenAt      time.Time // the moment before the code was redeemed (EV4)
	Evidence    Evidence
	// Grant is the sealed refresh token, "" for none.
	Grant string
}

// SignIn is the wish of somebody whom a provider has proved to have a session.
type SignIn struct {
	Workspace, Connection string
	Who                   SignedIn
	// Fresh is the hash of the cookie of a session in the same browser, "" for
	// none: who has just signed in may link another account with it (OS2).
	Fresh string
	// Invited is the member whom this very request has made by an invitation's
	// own token, "" for none: the account is linked with them (OS2).
	Invited string
	// CookieHash and CodeHash are hashes of the new session's secrets.
	CookieHash, CodeHash string
	Txn                  string
	IP, UserAgent        string
}

// Times of sessions.
const (
	defaultLifetime = 12 * time.Hour
	codeFor         = time.Minute      // a one-time code
	freshFor        = 10 * time.Minute // a session that may link another account
)

// Attempt is what binds a sign-in to the browser that began it: secrets that
// only this browser's cookie can make again (OS1).
type Attempt struct {
	State    string // comes back in the redirect
	Nonce    string // comes back in the ID token
	Verifier string // of PKCE (RFC 7636)
	// Redirect is the connection's one redirect URI.
	Redirect string
}

// Errors of an identity provider's side.
var (
	// ErrProvider: the provider could not be asked, or answered with something
	// that cannot be used. It says nothing about the person (E4): try again.
	ErrProvider = errors.New("the identity provider cannot be asked now")
	// ErrSignal: a token that signals something is not believed. Why is for the
	// log; nobody else is told.
	ErrSignal = errors.New("token refused")
)

// SignInError says why somebody is not signed in. NoMember tells that nobody
// was recognised: the person may join.
type SignInError struct {
	Rule, Reason, Remedy string
	NoMember             bool
	Run                  string
}

func (e *SignInError) Error() string { return e.Reason }

// refuseSignIn makes a refusal.
func refuseSignIn(rule, reason, remedy string) *SignInError {
	return &SignInError{Rule: rule, Reason: reason, Remedy: remedy}
}

// SignIn finds the member behind a verified token and begins a session, as a
// unit of work with a report of its own; refusals have one too. A *SignInError
// says why there is none. It is safe for concurrent use.
func (e *Engine) SignIn(ctx context.Context, in SignIn) (store.SessionRow, error) {
	s, conn, err := e.space(in.Workspace, in.Connection)
	if err != nil {
		return store.SessionRow{}, err
	}
	var row store.SessionRow
	var refused *SignInError
	err = e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
			var err error
			row, refused, err = e.signIn(s, conn, tx, &in)
			return err
		})
	})
	if err == nil && refused != nil {
		return store.SessionRow{}, refused
	}
	return row, err
}

// signIn is one try of a sign-in inside a transaction.
func (e *Engine) signIn(s *space, conn Connection, tx *store.Tx, in *SignIn) (store.SessionRow, *SignInError, error) {
	begin := func() (*unit, error) {
		return e.newUnit(s, conn, tx, Batch{
			Workspace: in.Workspace, Connection: in.Connection, Kind: RunSignin, Trigger: "request", Channel: workspace.ChannelSignin,
			Txn: in.Txn, IP: in.IP, UserAgent: in.UserAgent, SeenAt: in.Who.SeenAt,
		})
	}
	u, err := begin()
	if err != nil {
		return store.SessionRow{}, nil, err
	}
	who, refused, err := u.recognise(in)
	if err != nil {
		return store.SessionRow{}, nil, err
	}
	if refused == nil && u.observing() && who.link {
		refused = u.onlyWatches() // a link would outlast the rehearsal
	}
	if refused == nil && who.claims {
		err = tx.Savepoint(func() error { return u.observeClaims(in, who) })
		if errors.Is(err, errUnproved) {
			// A token ends no membership: sessions end, and somebody looks (E3).
			if u, err = begin(); err != nil {
				return store.SessionRow{}, nil, err
			}
			if who.member, err = u.member(who.member.ID); err != nil {
				return store.SessionRow{}, nil, err
			}
			refused = refuseSignIn("E3", "the account is in no group any more that gives access here", "ask whoever runs the directory, then sign in again")
			u.planSessionsEnd(who.member, workspace.Cause{Connection: in.Connection, Class: workspace.EvidenceE3, Why: "ineligible"}, refused.Reason)
		}
		if err != nil {
			return store.SessionRow{}, nil, err
		}
	}
	if refused == nil && u.observing() {
		refused = u.onlyWatches()
	}
	row := u.planSession(in, who, refused)
	if err := u.finish(); err != nil {
		return store.SessionRow{}, nil, err
	}
	if refused != nil {
		refused.Run = u.run
		return row, refused, nil
	}
	if err := tx.InsertSession(row); err != nil {
		return row, nil, err
	}
	if in.Who.Grant != "" {
		g := store.GrantRow{Connection: in.Connection, Subject: in.Who.Subject, Member: row.Member, Sealed: in.Who.Grant, NextAt: u.now + workspace.Micros(conn.SignIn.Every.Microseconds())}
		if err := tx.PutGrant(g, u.now); err != nil {
			return row, nil, err
		}
	}
	return row, nil, tx.TouchMember(row.Member, u.now)
}

// onlyWatches refuses a session at a connection in observe mode: what the token
// states is stored and reported, and gives nothing.
func (u *unit) onlyWatches() *SignInError {
	return refuseSignIn(RuleObserve, "the provider knows you, and this connection only observes (mode: observe)",
		"an Admin or Owner looks at the report, then sets mode: live")
}

// finish decides, applies and records what is on the plan.
func (u *unit) finish() error {
	if err := u.decide(); err != nil {
		return err
	}
	if err := u.apply(); err != nil {
		return err
	}
	return u.record()
}

// recognised is whom a token means here.
type recognised struct {
	member *workspace.Member
	// record is the person's record, zero if the connection has none yet.
	record workspace.Identity
	// claims: no directory knows the person better than the token does.
	claims bool
	// link: the account is to be linked with the member.
	link bool
}

// recordsOf is the connection whose records the people of another one are.
func (s *space) recordsOf(c Connection) Connection {
	if other, ok := s.conns[c.SignIn.Records]; ok && c.SignIn.Records != "" {
		return other
	}
	return c
}

// recognise finds the member by connection, issuer and subject (OS2). An
// address alone finds nobody. Whoever was ended is refused, whatever else
// holds (OS4).
func (u *unit) recognise(in *SignIn) (*recognised, *SignInError, error) {
	records := u.s.recordsOf(u.conn)
	who := &recognised{claims: records.ID == u.conn.ID && !records.directory()}
	ended := refuseSignIn("OS4", "access with this account was ended", "ask an Admin or Owner of the workspace")
	text, err := u.buriedAccount(records.ID, in)
	if err != nil {
		return who, nil, err
	}
	record, err := u.tx.IdentityByExternal(records.ID, in.Who.Subject, true)
	switch {
	case errors.Is(err, workspace.ErrNotFound) && text != "":
		return who, ended, nil
	case errors.Is(err, workspace.ErrNotFound):
		refused, err := u.linkable(in, who)
		return who, refused, err
	case err != nil:
		return who, nil, err
	}
	who.record = record
	if record.Member == "" {
		if text != "" || record.Deleted || !record.Active {
			return who, ended, nil
		}
		r := refuseSignIn("OS2", "the directory knows this account, and it is no member here", "ask an Admin or Owner of the workspace: the mapping, or a plan that waits, says why")
		r.NoMember = true
		return who, r, nil
	}
	if who.member, err = u.member(record.Member); err != nil {
		return who, nil, err
	}
	stated := record.Active && !record.Deleted
	switch {
	case who.member.Contained:
		return who, refuseSignIn("O3", "access with this account is blocked", "ask another Owner of the workspace"), nil
	case !who.member.Usable():
		return who, ended, nil
	case !stated && !who.claims:
		return who, ended, nil // the directory says no; the cut is under way
	}
	return who, nil, nil
}

// buriedAccount tells of a leaver with this account (I9). Addresses are not
// looked at: they are given to other people.
func (u *unit) buriedAccount(records string, in *SignIn) (string, error) {
	rows, err := u.tx.Tombstones([]string{
		u.s.tombstoneValue(tombstoneID, records, in.Who.Subject), u.s.tombstoneValue(tombstoneID, in.Connection, in.Who.Subject),
	})
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].Cause, nil
}

// linkable tells whether an account that nobody knows may be linked with the
// member of a fresh session in the same browser (OS2). A directory's people
// are linked by the directory's own id alone.
func (u *unit) linkable(in *SignIn, who *recognised) (*SignInError, error) {
	unknown := refuseSignIn("OS2", "there is no account for you here yet", "ask an Admin or Owner of the workspace for an invitation")
	unknown.NoMember = true
	if in.Fresh == "" && in.Invited == "" || !who.claims {
		return unknown, nil
	}
	m, refused, err := u.linkTo(in)
	if err != nil || refused != nil {
		return refused, err
	}
	if m == nil {
		return unknown, nil
	}
	others, err := u.tx.IdentitiesOf(m.ID, false)
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if o.Connection == u.conn.ID {
			return refuseSignIn("OS2", "you are linked with another account of this provider", "an Admin or Owner removes that link first"), nil
		}
	}
	who.member, who.link = m, true
	return nil, nil
}

// linkTo finds the member whom an account may be linked with: of a fresh
// session, or of an invitation that was accepted just now; nil if neither is.
func (u *unit) linkTo(in *SignIn) (*workspace.Member, *SignInError, error) {
	if in.Invited != "" {
		m, err := u.member(in.Invited)
		if err == nil && !m.Usable() {
			m = nil
		}
		return m, nil, err
	}
	session, err := u.tx.SessionByCookie(in.Fresh)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := u.member(session.Member)
	if err != nil {
		return nil, nil, err
	}
	if !LiveSession(&session, m, u.now) || u.now-session.CreatedAt > workspace.Micros(freshFor.Microseconds()) {
		return nil, refuseSignIn("OS2", "the session that would be linked is not fresh", "sign in the way you did before, then link the account within ten minutes"), nil
	}
	return m, nil, nil
}

// errUnproved rolls the claims of a token back that would end a membership.
var errUnproved = errors.New("a token ends no membership")

// observeClaims writes what a token states of somebody whom no directory
// knows, and plans what follows. Nothing of it may end anybody (AB3).
func (u *unit) observeClaims(in *SignIn, who *recognised) error {
	seen := workspace.At(in.Who.SeenAt)
	if who.record.ObservedAt > seen {
		return nil // EV4
	}
	row := PolledRow(in.Who.Identity)
	row.Member = who.member.ID
	if who.record.ID != "" {
		row.ID, row.CreatedAt = who.record.ID, who.record.CreatedAt
		for name, value := range who.record.Attributes {
			if _, stated := row.Attributes[name]; !stated {
				row.Attributes[name] = value // not stated is not empty (I14)
			}
		}
		row.Email, row.Name = orElse(row.Email, who.record.Email), orElse(row.Name, who.record.Name)
		row.EmailKey, row.DisplayKey = fold.Email(row.Email), fold.Key(row.Name)
	}
	row.ObservedAt = seen
	u.b.Identities = []IdentityObservation{{Row: row, Expect: who.record.Version}}
	if who.link {
		u.add(planned{
			Change: workspace.Change{
				Kind: workspace.MemberLink, Subject: memberRef(*who.member), Member: who.member.ID, Before: *who.member, After: *who.member,
				Cause: workspace.Cause{Kind: workspace.CauseRequest, Connection: u.conn.ID, ExternalID: in.Who.Subject, ReasonClass: "correction"},
			},
			person: "member:" + who.member.ID,
			ruling: &workspace.Decision{Verdict: workspace.Allow, Rule: "OS2", Reason: linkReason(in)},
		})
	}
	var touched touched
	if err := u.observeIdentity(&u.b.Identities[0], &touched); err != nil {
		return err
	}
	id := u.b.Identities[0].Row.ID
	if err := u.observeTokenGroups(in, id); err != nil {
		return err
	}
	if err := u.planIdentity(id, u.observation(id)); err != nil {
		return err
	}
	if u.unproved {
		return errUnproved
	}
	return nil
}

// linkReason says why an account may be linked with a member.
func linkReason(in *SignIn) string {
	if in.Invited != "" {
		return "The account was used to accept the member's invitation."
	}
	return "The member was signed in here when the account was linked."
}

// observeTokenGroups makes the groups of a record those of the token. Groups
// that are absent or too many change nothing (OS5).
func (u *unit) observeTokenGroups(in *SignIn, id string) error {
	switch {
	case in.Who.Overage:
		u.notices = append(u.notices, "the token has too many groups to name them: the groups known before stay (OS5)")
		return nil
	case !in.Who.GroupsKnown:
		return nil
	}
	had, err := u.tx.GroupsAbove([]string{id})
	if err != nil {
		return err
	}
	edge := []store.Edge{{Kind: "user", Child: id}}
	stays := map[string]bool{}
	var touched touched
	for _, name := range in.Who.Groups {
		g, err := u.tx.DirectoryGroupByExternal(u.conn.ID, name)
		switch {
		case errors.Is(err, workspace.ErrNotFound):
			o := GroupObservation{Group: workspace.DirectoryGroup{ExternalID: name, Name: name}, NameKey: fold.Key(name) + "\x1f" + name, Write: true, Members: &MemberDelta{Add: edge}}
			if err := u.observeGroup(&o, &touched); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		stays[g.ID] = true
		if _, err := u.tx.AddEdges(g.ID, edge, u.now); err != nil {
			return err
		}
	}
	for _, g := range had {
		if g.Connection != u.conn.ID || stays[g.ID] || g.Via != "" {
			continue
		}
		if _, err := u.tx.RemoveEdges(g.ID, edge); err != nil {
			return err
		}
	}
	return nil
}

// planSession puts the session on the plan: begun, or refused with its reason.
func (u *unit) planSession(in *SignIn, who *recognised, refused *SignInError) store.SessionRow {
	lifetime := u.conn.SignIn.Lifetime
	if lifetime == 0 {
		lifetime = defaultLifetime
	}
	row := store.SessionRow{
		ID: newID(), Connection: u.conn.ID, Issuer: in.Who.Issuer, Subject: in.Who.Subject, SID: in.Who.SID, CookieHash: in.CookieHash,
		CodeHash: in.CodeHash, CodeUntil: u.now + workspace.Micros(codeFor.Microseconds()), CreatedAt: u.now,
		AuthAt: workspace.At(in.Who.AuthAt), ExpiresAt: u.now + workspace.Micros(lifetime.Microseconds()),
	}
	p := planned{
		Change: workspace.Change{
			Kind: workspace.SessionStart, Subject: workspace.Ref{Type: "session", ID: row.ID, Label: u.conn.ID},
			Cause: workspace.Cause{
				Kind: workspace.CauseRequest, Connection: u.conn.ID, Identity: who.record.ID, ExternalID: in.Who.Subject,
				ObservedAt: workspace.At(in.Who.SeenAt), ReasonClass: "correction",
			},
		},
		person: "session:" + row.ID,
		ruling: &workspace.Decision{Verdict: workspace.Allow, Rule: "OS1", Reason: "The identity provider has proved who signs in."},
	}
	if who.member != nil {
		row.Member, row.Epoch, p.Member = who.member.ID, who.member.Epoch, who.member.ID
	}
	if refused != nil {
		p.ruling = &workspace.Decision{Verdict: workspace.Deny, Rule: refused.Rule, Reason: sentence(refused.Reason), Remedy: sentence(refused.Remedy)}
	}
	u.add(p)
	return row
}

// sentence makes a sentence of a reason.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%c%s.", text[0]&^0x20, text[1:])
}
