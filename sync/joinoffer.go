package sync

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// ErrNoOffer says that the browser was offered nothing, or that its offer is
// used up or too old.
var ErrNoOffer = errors.New("there is no offer to join for this browser")

// JoinOffer is a sign-in of somebody who is no member and may join: what was
// proved waits ten minutes for a press of the button. It is kept for one
// browser, whose secret alone opens it.
type JoinOffer struct {
	SignIn SignIn
	// Return and State are where the sign-in returns to, for the caller.
	Return, State string
}

// OfferJoin tells what a join would come to: Joined.State is JoinDone or
// JoinWaits when the wish would be granted or put before somebody, and then
// nothing has happened but that the offer is kept for the browser with this
// secret. A refusal is recorded as one. Errors are those of Join.
func (e *Engine) OfferJoin(ctx context.Context, secret string, o JoinOffer, j Join) (Joined, error) {
	s, conn, err := e.space(o.SignIn.Workspace, o.SignIn.Connection)
	if err != nil {
		return Joined{}, err
	}
	j.offer = true
	out, err := e.Join(ctx, j)
	if err != nil || out.State != JoinDone && out.State != JoinWaits {
		return out, err
	}
	row := store.JoinOfferRow{Offer: offerKey(secret), Connection: conn.ID, ExpiresAt: workspace.At(e.now().Add(evidenceFor))}
	if row.Sealed, err = sealOffer(secret, &o); err != nil {
		return out, err
	}
	return out, s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.InsertJoinOffer(row) })
}

// JoinOffer reads the offer of a browser; ErrNoOffer if there is none.
func (e *Engine) JoinOffer(ctx context.Context, id, connection, secret string) (JoinOffer, error) {
	s, _, err := e.space(id, connection)
	if err != nil {
		return JoinOffer{}, err
	}
	var o JoinOffer
	err = s.h.View(ctx, func(r *store.Reader) (err error) {
		o, err = e.openOffer(r, connection, secret)
		return err
	})
	return o, err
}

// TakeJoinOffer reads the offer of a browser and uses it up: of two who press
// the button at once the second gets ErrNoOffer.
func (e *Engine) TakeJoinOffer(ctx context.Context, id, connection, secret string) (JoinOffer, error) {
	s, _, err := e.space(id, connection)
	if err != nil {
		return JoinOffer{}, err
	}
	var o JoinOffer
	err = s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) (err error) {
		if o, err = e.openOffer(&tx.Reader, connection, secret); err != nil {
			return err
		}
		return tx.DeleteJoinOffer(offerKey(secret))
	})
	return o, err
}

// openOffer finds and opens an offer that is still good.
func (e *Engine) openOffer(r *store.Reader, connection, secret string) (JoinOffer, error) {
	row, err := r.JoinOffer(offerKey(secret))
	if errors.Is(err, workspace.ErrNotFound) || err == nil && (row.Connection != connection || row.ExpiresAt <= workspace.At(e.now())) {
		return JoinOffer{}, ErrNoOffer
	}
	if err != nil {
		return JoinOffer{}, err
	}
	return unsealOffer(secret, row.Sealed)
}

// offerKey is how a browser's secret stands in the store.
func offerKey(secret string) string {
	sum := sha256.Sum256([]byte("join offer\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// offerCipher encrypts with a key that is in no row: what an account's claims
// say of somebody who may never join is readable by that browser alone. A
// secret seals one offer, so each key has one nonce.
func offerCipher(secret string) (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("join offer seal\x00" + secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func sealOffer(secret string, o *JoinOffer) (string, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	aead, err := offerCipher(secret)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, text, []byte(offerKey(secret)))), nil
}

func unsealOffer(secret, sealed string) (o JoinOffer, err error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return o, err
	}
	aead, err := offerCipher(secret)
	if err != nil {
		return o, err
	}
	if len(raw) < aead.NonceSize() {
		return o, errors.New("an offer to join is too short")
	}
	text, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(offerKey(secret)))
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(text, &o)
}
