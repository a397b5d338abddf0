package sync

import (
	"context"
	"errors"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// AnswerKind is what a provider made of the question whether somebody's
// account still answers. The zero value is AnswerTrouble.
type AnswerKind uint8

// The answers (sources section 9.2).
const (
	// AnswerTrouble says nothing about the person: 5xx, 429, invalid_client, a
	// time-out, an answer that cannot be read.
	AnswerTrouble AnswerKind = iota
	// AnswerUnsent is trouble in which the token certainly was not used.
	AnswerUnsent
	// AnswerAlive: the account answers.
	AnswerAlive
	// AnswerGrantGone: invalid_grant.
	AnswerGrantGone
	// AnswerRefused: a new token, with which UserInfo answers 401 or 403.
	AnswerRefused
)

// Alive is a provider's answer about one person.
type Alive struct {
	Kind AnswerKind
	// Code is the provider's word for it, for people to read.
	Code string
	// Wait is how long the provider asks to be left alone, zero if it does not.
	Wait time.Duration
}

// Asker asks a provider about people who signed in. It is safe for concurrent
// use.
type Asker interface {
	// Alive asks with a sealed refresh token. The new one is handed to keep,
	// sealed, before anything else is done with the answer (OL3); an error of
	// keep ends the question.
	Alive(ctx context.Context, subject, sealed string, keep func(sealed string) error) (Alive, error)
	// Revoke makes the token useless at the provider (RFC 7009).
	Revoke(ctx context.Context, subject, sealed string) error
}

// Watched is a connection whose people are asked about.
type Watched struct {
	Workspace, Connection string
	Asker                 Asker
	Every                 time.Duration
	// Ends: an ambiguous no ends the person's sessions. It never ends more.
	Ends bool
	// Confirm, when set, asks the directory about a person after an ambiguous
	// no.
	Confirm func(ctx context.Context, person string) error
}

// conclusion is what the engine makes of an answer.
type conclusion struct {
	class workspace.EvidenceClass // EvidenceNone: alive
	lost  bool                    // the token is of no use any more
	open  bool                    // the mark stays: the token may have been used
	ends  bool                    // sessions end, if the connection says so
}

// conclusions are OL3 to OL5 as a table: what was answered, and whether an
// earlier question had been left without an answer. No row removes anybody.
var conclusions = map[AnswerKind][2]conclusion{
	// kind            {nothing open}                                             {an earlier question is open}
	AnswerAlive:     {{}, {}},
	AnswerGrantGone: {{class: workspace.EvidenceE3, lost: true, ends: true}, {class: workspace.EvidenceE4, lost: true}},
	AnswerRefused:   {{class: workspace.EvidenceE3, lost: true, ends: true}, {class: workspace.EvidenceE3, lost: true, ends: true}},
	AnswerTrouble:   {{class: workspace.EvidenceE4, open: true}, {class: workspace.EvidenceE4, open: true}},
	AnswerUnsent:    {{class: workspace.EvidenceE4}, {class: workspace.EvidenceE4, open: true}},
}

// Times of questions.
const (
	askLease  = 45 * time.Second // longer than the calls of one question
	askSoon   = time.Minute      // after trouble, doubling up to the interval
	askBatch  = 200
	askAtOnce = 4
	revokeMax = 20 // tries to revoke a leaver's token before it is only forgotten
)

// AskAlive asks about everybody of a connection whose turn it is, a few at
// once, and says how many were asked about. Replicas may do so at the
// same time: each person is asked about by one of them (OL2).
func (e *Engine) AskAlive(ctx context.Context, w Watched) (asked int, err error) {
	s, _, err := e.space(w.Workspace, w.Connection)
	if err != nil {
		return 0, err
	}
	var due []string
	err = s.h.View(ctx, func(r *store.Reader) error {
		var err error
		due, err = r.DueGrants(w.Connection, workspace.At(e.now()), askBatch)
		return err
	})
	if err != nil {
		return 0, err
	}
	var mu stdsync.Mutex
	var wg stdsync.WaitGroup
	next := make(chan string)
	for range askAtOnce {
		wg.Go(func() {
			for subject := range next {
				did, aerr := e.askOne(ctx, s, w, subject)
				mu.Lock()
				if err = errors.Join(err, aerr); did {
					asked++
				}
				mu.Unlock()
			}
		})
	}
	for _, subject := range due {
		if ctx.Err() != nil {
			break
		}
		next <- subject
	}
	close(next)
	wg.Wait()
	return asked, errors.Join(err, ctx.Err())
}

// askOne asks about one person: lease and mark, question, token, verdict.
func (e *Engine) askOne(ctx context.Context, s *space, w Watched, subject string) (bool, error) {
	var row store.GrantRow
	var mine bool
	err := s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		var err error
		row, mine, err = tx.LeaseGrant(w.Connection, subject, workspace.At(e.now()), askLease)
		return err
	})
	if err != nil || !mine {
		return false, err
	}
	if row.State == store.GrantRevoke {
		return true, e.revoke(ctx, s, w, row)
	}
	open := row.State == store.GrantRefreshing
	kept := false
	answer, err := w.Asker.Alive(ctx, subject, row.Sealed, func(sealed string) error {
		row.Sealed = sealed
		kerr := s.h.Update(ctx, store.UnitOptions{Urgent: true}, func(tx *store.Tx) error { return tx.KeepToken(row) })
		kept = kerr == nil
		return kerr
	})
	if errors.Is(err, workspace.ErrStale) {
		return true, nil // somebody else has asked meanwhile, or a new sign-in brought a new token
	}
	if err != nil {
		e.log.Warn("a question whether an account still answers failed", "workspace", w.Workspace, "connection", w.Connection, "err", err)
	}
	confirms := answer.Kind == AnswerGrantGone && !open && w.Confirm != nil
	if err := e.conclude(ctx, s, w, row, answer, open && !kept, kept, confirms); err != nil {
		return true, err
	}
	if confirms {
		return true, w.Confirm(ctx, subject)
	}
	return true, nil
}

// conclude writes what an answer means, and ends sessions if it says so. With
// confirms it notes that the directory is to be asked.
func (e *Engine) conclude(ctx context.Context, s *space, w Watched, row store.GrantRow, answer Alive, open, kept, confirms bool) error {
	at := 0
	if open {
		at = 1
	}
	c := conclusions[answer.Kind][at]
	now := workspace.At(e.now())
	row.Verdict, row.Code = "alive", answer.Code
	wait := w.Every
	switch c.class {
	case workspace.EvidenceNone:
		row.AliveAt, row.Tries = now, 0
	case workspace.EvidenceE4:
		row.Tries++
		wait = min(askSoon<<min(row.Tries-1, 10), w.Every)
		row.Verdict = string(c.class)
	default:
		row.Verdict = string(c.class)
	}
	row.NextAt = now + workspace.Micros(max(wait, answer.Wait).Microseconds())
	row.State = store.GrantIdle
	if c.open && !kept {
		row.State = store.GrantRefreshing
	}
	if c.lost {
		row.State, row.Sealed = store.GrantLost, ""
	}
	return e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{Urgent: c.ends}, func(tx *store.Tx) error {
			if err := tx.SettleGrant(row); err != nil {
				if errors.Is(err, workspace.ErrStale) {
					return nil // too late: whoever has the lease concludes
				}
				return err
			}
			if confirms {
				if err := s.mustAsk(tx, s.recordsOf(s.conns[w.Connection]), row.Subject, "liveness", now); err != nil {
					return err
				}
			}
			if !c.ends || !w.Ends {
				return nil
			}
			return e.endByLiveness(s, tx, w, row)
		})
	})
}

// endByLiveness ends the sessions of a person whose account does not answer
// any more. It never ends more (OL5).
func (e *Engine) endByLiveness(s *space, tx *store.Tx, w Watched, row store.GrantRow) error {
	u, err := e.newUnit(s, s.conns[w.Connection], tx, Batch{
		Workspace: w.Workspace, Connection: w.Connection, Kind: RunTargeted, Trigger: "schedule", Channel: workspace.ChannelSync, SeenAt: e.now(),
	})
	if err != nil {
		return err
	}
	m, err := u.member(row.Member)
	if err != nil {
		return err
	}
	c := workspace.Cause{Connection: w.Connection, ExternalID: row.Subject, Class: workspace.EvidenceE3, Why: orElse(row.Code, "refused"), ObservedAt: row.AskedAt}
	u.planSessionsEnd(m, c, "the identity provider gives no new token for this account; who is still there signs in again")
	if len(u.plan) == 0 {
		return nil
	}
	return u.finish()
}

// revoke makes a leaver's token useless at the provider, then forgets it.
func (e *Engine) revoke(ctx context.Context, s *space, w Watched, row store.GrantRow) error {
	err := w.Asker.Revoke(ctx, row.Subject, row.Sealed)
	if err != nil && row.Tries < revokeMax {
		row.Tries++
		row.NextAt = workspace.At(e.now().Add(askSoon << min(row.Tries-1, 10)))
		row.Verdict = string(workspace.EvidenceE4)
		err := s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.SettleGrant(row) })
		if errors.Is(err, workspace.ErrStale) {
			return nil
		}
		return err
	}
	if err != nil {
		e.log.Warn("a leaver's token could not be revoked and is forgotten", "workspace", w.Workspace, "connection", w.Connection, "err", err)
	}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.ForgetGrant(row) })
}

// Tidy forgets what has no use any more: sessions that were over a week ago,
// and ids of tokens that would be refused for their age.
func (e *Engine) Tidy(ctx context.Context, id string) error {
	s, _, err := e.space(id, "")
	if err != nil {
		return err
	}
	now := e.now()
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		if err := tx.PruneSessions(workspace.At(now.Add(-7 * 24 * time.Hour))); err != nil {
			return err
		}
		if err := tx.PruneJoinOffers(workspace.At(now)); err != nil {
			return err
		}
		return tx.ForgetSignals(workspace.At(now))
	})
}

// Reseal hands every sealed token of a connection to a function that may seal
// it anew, and says how many were (ON3). It stops at the first error.
func (e *Engine) Reseal(ctx context.Context, id, connection string, again func(subject, sealed string) (string, error)) (n int, err error) {
	s, _, err := e.space(id, connection)
	if err != nil {
		return 0, err
	}
	after := ""
	for {
		var page []store.GrantRow
		err := s.h.View(ctx, func(r *store.Reader) error {
			var err error
			page, err = r.Grants(connection, after, askBatch)
			return err
		})
		if err != nil || len(page) == 0 {
			return n, err
		}
		after = page[len(page)-1].Subject
		for _, g := range page {
			if g.Sealed == "" {
				continue
			}
			sealed, err := again(g.Subject, g.Sealed)
			if err != nil {
				return n, err
			}
			if sealed == g.Sealed {
				continue
			}
			err = s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.ResealGrant(connection, g.Subject, g.Sealed, sealed) })
			if err != nil {
				return n, err
			}
			n++
		}
	}
}
