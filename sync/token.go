package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// maxTokens is how many tokens of a connection may be good at once: the one
// in use and its successor (scim section 11).
const maxTokens = 2

// TokensError says that the connection has two good tokens already.
type TokensError struct {
	Connection string
	Live       []string // ids
}

func (e *TokensError) Error() string {
	return fmt.Sprintf("connection %s has %d live tokens already", e.Connection, len(e.Live))
}

// LiveToken reports whether a token is good at a moment.
func LiveToken(t *store.TokenRow, now workspace.Micros) bool {
	return t.RevokedAt == 0 && t.ExpiresAt > now
}

// IssueToken writes a new token's row, with its report and leaf. Whoever may
// read the configuration and write the database may hand out tokens: the
// operator. Row.Hash is all that is ever stored of the secret.
func (e *Engine) IssueToken(ctx context.Context, row store.TokenRow) error {
	return e.tokenUnit(ctx, row.Workspace, func(u *unit) error {
		// Reading the connection locks it: two creations cannot both be the second.
		if _, err := u.tx.Connection(row.Connection); err != nil {
			return fmt.Errorf("connection %s: %w", row.Connection, err)
		}
		tokens, err := u.tx.Tokens(row.Connection)
		if err != nil {
			return err
		}
		full := &TokensError{Connection: row.Connection}
		for i := range tokens {
			// Tokens for different uses do not rotate with each other.
			if LiveToken(&tokens[i], u.now) && slices.Equal(tokens[i].Scopes, row.Scopes) && tokens[i].Kind == cmp.Or(row.Kind, store.TokenBearer) {
				full.Live = append(full.Live, tokens[i].ID)
			}
		}
		if len(full.Live) >= maxTokens {
			return full
		}
		u.addToken(workspace.TokenCreate, row.ID, row.Connection, func(tx *store.Tx) error { return tx.InsertToken(row) })
		return nil
	})
}

// RevokeToken ends a token; it is refused from the next request on. It gives
// workspace.ErrNotFound for a token that the workspace does not have; ending
// one that has ended changes nothing.
func (e *Engine) RevokeToken(ctx context.Context, id, token string) error {
	return e.tokenUnit(ctx, id, func(u *unit) error {
		tokens, err := u.tx.Tokens("")
		if err != nil {
			return err
		}
		for i := range tokens {
			if t := &tokens[i]; t.ID == token {
				if t.RevokedAt == 0 {
					u.addToken(workspace.TokenRevoke, token, t.Connection, func(tx *store.Tx) error { return tx.RevokeToken(token, u.now) })
				}
				return nil
			}
		}
		return fmt.Errorf("token %s: %w", token, workspace.ErrNotFound)
	})
}

// addToken plans a change of a token: the operator's word is enough.
func (u *unit) addToken(kind workspace.ChangeKind, id, connection string, write effect) {
	u.add(planned{
		Change: workspace.Change{
			Kind: kind, Subject: workspace.Ref{Type: "token", ID: id, Label: connection},
			Cause: workspace.Cause{Kind: workspace.CauseEdit, Connection: connection, ReasonClass: "correction"},
		},
		person: "token:" + id,
		ruling: &workspace.Decision{Verdict: workspace.Allow, Row: "M11", Rule: "operator", Reason: "The operator of the installation issues and ends tokens."},
		then:   []effect{write},
	})
}

// tokenUnit runs a unit whose actor is the operator.
func (e *Engine) tokenUnit(ctx context.Context, id string, plan func(u *unit) error) error {
	s, _, err := e.space(id, "")
	if err != nil {
		return err
	}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		u, err := e.newUnit(s, Connection{}, tx, Batch{Workspace: id, Kind: RunEdit, Trigger: "operator", Channel: workspace.ChannelCLI, SeenAt: e.now()})
		if err != nil {
			return err
		}
		u.actor = workspace.Actor{Kind: workspace.ActorSystem, ID: "operator", Label: "the operator", Role: workspace.RoleOwner, Channel: workspace.ChannelCLI}
		if err := plan(u); err != nil {
			return err
		}
		if len(u.plan) == 0 {
			return nil
		}
		if err := u.decide(); err != nil {
			return err
		}
		if err := u.apply(); err != nil {
			return err
		}
		return u.record()
	})
}

// ErrUsedAssertion says that a client has sent the same signed request before.
var ErrUsedAssertion = errors.New("the client assertion was used before")

// IssueAccess writes an access token of an OAuth client, and forgets those of
// it that have ended. It has no report and no leaf: what gives access is the
// client, whose making and end have both; an access token is what a session is
// to a person. A signed request (jti, until expires) counts once, else
// ErrUsedAssertion.
func (e *Engine) IssueAccess(ctx context.Context, row store.TokenRow, jti string, expires workspace.Micros) error {
	s, _, err := e.space(row.Workspace, row.Connection)
	if err != nil {
		return err
	}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		if err := tx.PruneAccess(row.Client, workspace.At(e.now())); err != nil {
			return err
		}
		if jti != "" {
			fresh, err := tx.UseAssertion(row.Client, jti, expires)
			if err != nil {
				return err
			}
			if !fresh {
				return ErrUsedAssertion
			}
		}
		return tx.InsertToken(row)
	})
}
