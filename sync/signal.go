package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// SignalKind is what a provider tells of its own accord.
type SignalKind string

// The kinds of signal (leavers-and-events section 14).
const (
	SignalLogout     SignalKind = "logout"            // OpenID Connect Back-Channel Logout 1.0
	SignalRevoked    SignalKind = "session-revoked"   // CAEP
	SignalCredential SignalKind = "credential-change" // CAEP
	SignalDisabled   SignalKind = "account-disabled"  // RISC
	SignalPurged     SignalKind = "account-purged"    // RISC
	SignalEnabled    SignalKind = "account-enabled"   // RISC
	SignalVerify     SignalKind = "verification"      // SSF: the stream is alive
	SignalOther      SignalKind = "other"             // nothing that we act on
)

// Signal is one event of a token.
type Signal struct {
	Kind SignalKind
	// Subject is the person's immutable id at the provider, SID one of their
	// sessions; either may be "".
	Subject, SID string
	At           time.Time // when it happened
}

// Signals are the events of one verified token.
type Signals struct {
	Workspace, Connection string
	// JTI names the token; until Until it is remembered as taken.
	JTI   string
	Until time.Time
	// SeenAt is T1, when the token had been read.
	SeenAt time.Time
	Txn    string
	Events []Signal
}

// SignalResult is what became of a token.
type SignalResult struct {
	// Replayed: the token was taken before; nothing was done now.
	Replayed bool
	// Unknown counts events about nobody whom we know (SI3).
	Unknown int
	// Ask are the ids that the directory is to be asked about now (CU6).
	Ask []string
	// Runs are the reports of what was done.
	Runs []string
}

// signalTail is the rule that holds the tail of somebody whom only a signal
// has ended: the directory's word, or a person's, lets it go (SI2).
const (
	signalTail = "signal"
	// reasonSignal is the reason of a record that a signal has stated disabled
	// and the directory has not yet.
	reasonSignal = "signal"
	signalWhy    = "A signal says that the account is disabled; what belongs to it waits until the directory confirms it."
)

// Signal takes a verified token: it may end sessions and, by an explicit
// account-disabled, access; it ends no membership (SI3). The answer is durable
// before it is given, so that a token may be acknowledged. A token that comes
// again does nothing. It is safe for concurrent use.
func (e *Engine) Signal(ctx context.Context, in Signals) (SignalResult, error) {
	s, conn, err := e.space(in.Workspace, in.Connection)
	if err != nil {
		return SignalResult{}, err
	}
	sum := sha256.Sum256([]byte(in.JTI))
	var res SignalResult
	err = e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{Urgent: true}, func(tx *store.Tx) error {
			res = SignalResult{}
			fresh, err := tx.SeenSignal(conn.ID, hex.EncodeToString(sum[:]), workspace.At(in.Until))
			if err != nil {
				return err
			}
			if res.Replayed = !fresh; !fresh {
				return nil
			}
			for _, sig := range in.Events {
				if err := e.signal(s, conn, tx, &in, sig, &res); err != nil {
					return err
				}
			}
			return tx.HeardSignal(conn.ID, workspace.At(e.now()), len(in.Events), res.Unknown)
		})
	})
	return res, err
}

// signal takes one event.
func (e *Engine) signal(s *space, conn Connection, tx *store.Tx, in *Signals, sig Signal, res *SignalResult) error {
	if sig.Kind == SignalVerify || sig.Kind == SignalOther {
		return nil
	}
	if sig.At.After(in.SeenAt) {
		sig.At = in.SeenAt // their clock is ahead; what is learnt from now on is newer (EV4)
	}
	records := s.recordsOf(conn)
	batch := Batch{
		Workspace: in.Workspace, Connection: conn.ID, Kind: RunTargeted, Trigger: "signal", Channel: workspace.ChannelSync, Txn: in.Txn, SeenAt: in.SeenAt,
	}
	u, err := e.newUnit(s, conn, tx, batch)
	if err != nil {
		return err
	}
	if sig.SID != "" {
		return u.signalSession(sig, res)
	}
	member, identity, err := u.signalled(records.ID, sig.Subject)
	if err != nil {
		return err
	}
	if member == nil {
		res.Unknown++
		return nil
	}
	if records.directory() {
		res.Ask = append(res.Ask, sig.Subject)
		if err := s.mustAsk(tx, records, sig.Subject, "signal", u.now); err != nil {
			return err
		}
	}
	if sig.Kind == SignalEnabled {
		return nil // EV6: access returns by the directory's word alone
	}
	at := workspace.At(sig.At)
	no := sig.Kind == SignalDisabled || sig.Kind == SignalPurged
	if no && identity.ID != "" && at >= identity.ObservedAt {
		batch.Connection, batch.Signal = records.ID, true
		if u, err = e.newUnit(s, records, tx, batch); err != nil {
			return err
		}
		if err := u.signalCut(identity, sig); err != nil {
			return err
		}
	} else {
		c := workspace.Cause{Connection: conn.ID, Identity: identity.ID, ExternalID: sig.Subject, Class: workspace.EvidenceE3, Why: string(sig.Kind), ObservedAt: at}
		u.planSessionsEnd(member, c, "the identity provider says "+string(sig.Kind))
	}
	if len(u.plan) == 0 {
		return nil
	}
	res.Runs = append(res.Runs, u.run)
	return u.finish()
}

// signalSession ends the sessions that belong to one session of the provider,
// and no others (SI1).
func (u *unit) signalSession(sig Signal, res *SignalResult) error {
	rows, err := u.tx.SessionsBySID(u.conn.ID, sig.SID)
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].EndedAt == 0 && (sig.Subject == "" || rows[i].Subject == sig.Subject) {
			c := workspace.Cause{Kind: workspace.CauseRequest, Connection: u.conn.ID, Class: workspace.EvidenceE3, Why: string(sig.Kind), ReasonClass: "correction"}
			u.planSessionEnd(&rows[i], c, "E3", "the identity provider ended the session")
		}
	}
	if len(u.plan) == 0 {
		res.Unknown++
		return nil
	}
	res.Runs = append(res.Runs, u.run)
	return u.finish()
}

// signalled finds whom a signal is about: by the record, else by the sessions
// of that subject; nil if nobody.
func (u *unit) signalled(records, subject string) (*workspace.Member, workspace.Identity, error) {
	if subject == "" {
		return nil, workspace.Identity{}, nil
	}
	identity, err := u.tx.IdentityByExternal(records, subject, false)
	member := identity.Member
	if errors.Is(err, workspace.ErrNotFound) {
		var last store.SessionRow
		last, err = u.tx.LastSession(u.conn.ID, subject)
		member = last.Member
	}
	if errors.Is(err, workspace.ErrNotFound) || err == nil && member == "" {
		return nil, workspace.Identity{}, nil
	}
	if err != nil {
		return nil, identity, err
	}
	m, err := u.member(member)
	return m, identity, err
}

// signalCut ends access at once: the provider has said no of this very
// person (E1). The tail waits for the directory (SI2).
func (u *unit) signalCut(identity workspace.Identity, sig Signal) error {
	why := "disabled"
	if sig.Kind == SignalPurged {
		why = "deleted"
	}
	identity.Active, identity.Reason, identity.ObservedAt = false, reasonSignal, workspace.At(sig.At)
	if err := u.tx.StateIdentity(identity, u.now); err != nil {
		return err
	}
	identity.Version++
	u.records[identity.ID] = identity
	o := &IdentityObservation{Row: store.IdentityRow{Identity: identity}, Class: workspace.EvidenceE1, Why: why, UpstreamAt: sig.At}
	return u.planIdentity(identity.ID, o)
}

// HeardNothing notes why the signals of a connection could not be heard; ""
// is that nothing came, and all is well.
func (e *Engine) HeardNothing(ctx context.Context, id, connection, cause string) error {
	s, _, err := e.space(id, connection)
	if err != nil {
		return err
	}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		if cause == "" {
			return tx.HeardSignal(connection, workspace.At(e.now()), 0, 0)
		}
		return tx.FailSignals(connection, cause)
	})
}

// heldBySignal reports whether what a leaver's tail waits for is the
// directory's word on a signal, and not a limit of the brake.
func (u *unit) heldBySignal(p *person) (bool, error) {
	open, err := u.tx.OpenHolds(p.key)
	if err != nil {
		return false, err
	}
	for i := range open {
		if open[i].Reason == signalWhy {
			return true, nil
		}
	}
	return false, nil
}
