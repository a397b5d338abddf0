package sync

import (
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// answersFor is how long the answer of a repeated request is kept.
const answersFor = 24 * time.Hour

// Once makes a request that is sent again take effect once: its answer is
// kept in the transaction of what it did, so that neither is there without
// the other. The zero value is a request without a key.
type Once struct {
	// Key names the request, "" for none. It holds nothing of the client's
	// own key in the clear.
	Key string
	// Request is a hash of what is asked: the same key with another one is
	// ErrKeyReused.
	Request string
	// Answer, when set, makes the answer on the state after the edits. It runs
	// inside the transaction; Result.Answer is what it gave. What is kept of
	// it is in the clear: seal what must not be read.
	Answer func(r *store.Reader, res Result) (answer []byte, err error)
	// Seal turns the answer into what is kept of it.
	Seal func(answer []byte) ([]byte, error)
}

// ErrKeyReused says that the key of an idempotent request came with another request
// before.
var ErrKeyReused = errors.New("the idempotency key was used for another request")

// ReplayError says that the request was answered before; nothing was done now.
type ReplayError struct{ Kept []byte }

func (e *ReplayError) Error() string { return "the request was answered before" }

// done looks for the answer of an earlier try.
func (o *Once) done(tx *store.Tx, now time.Time) error {
	if o.Key == "" {
		return nil
	}
	row, err := tx.Answer(o.Key, workspace.At(now.Add(-answersFor)))
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		return nil
	case err != nil:
		return err
	case row.Request != o.Request:
		return ErrKeyReused
	}
	return &ReplayError{Kept: row.Body}
}

// keep makes the answer, and stores it under the request's key.
func (o *Once) keep(tx *store.Tx, res *Result, now workspace.Micros, dry bool) error {
	if o.Answer == nil {
		return nil
	}
	var err error
	if res.Answer, err = o.Answer(&tx.Reader, *res); err != nil || o.Key == "" || dry {
		return err
	}
	kept := res.Answer
	if o.Seal != nil {
		if kept, err = o.Seal(kept); err != nil {
			return err
		}
	}
	return tx.PutAnswer(store.AnswerRow{Key: o.Key, Request: o.Request, Body: kept, At: now}, now-workspace.Micros(answersFor.Microseconds()))
}
