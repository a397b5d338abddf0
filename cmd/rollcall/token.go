package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/api"
	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/scim"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token; it is refused from the next request on."`
}

type tokenCreateCmd struct {
	workspaceFlag
	Connection string   `help:"Connection that the token belongs to." required:"" placeholder:"ID"`
	Expires    string   `help:"How long it is good." default:"365d"`
	OAuth      bool     `help:"An OAuth client of a SCIM connection: it gets access tokens for an hour (client_credentials)." name:"oauth"`
	JWKS       string   `help:"With --oauth: the client signs its requests (private_key_jwt); this file has its public keys." name:"jwks" type:"existingfile" placeholder:"FILE"`
	API        bool     `help:"For the JSON API: the connection is of kind api."`
	Scopes     []string `help:"What it may do: read, users, groups (SCIM, the default), revocations:read; with --api members:read, members:write, and so on for groups, numbers, invitations, holds; runs:read, workspace:read (all that only read are the default)." placeholder:"SCOPE"`
	Networks   []string `help:"Addresses and CIDR ranges it may be used from; anywhere if left out." placeholder:"CIDR"`
}

// Help is shown by --help.
func (tokenCreateCmd) Help() string {
	return `The token is printed alone, on stdout, and is not kept: only its hash is. Two tokens of a connection can be good at
once: create the new one, give it to the identity provider, revoke the old one.

--oauth makes a client for POST /scim/oauth/token instead. Its secret is printed alone, its client_id is the part of it after
rco_ and stands on stderr; with --jwks there is no secret, and the client_id is what is printed.

Example:
  rollcall token create --config rollcall.yaml --connection okta --expires 365d > okta.token
  rollcall token create --config rollcall.yaml --connection entra --oauth > entra.secret`
}

// Run makes a token. It makes the store too if there is none, so that a token
// can be handed out before the first start.
func (c *tokenCreateCmd) Run(ctx context.Context, env *environment) (err error) {
	lifetime, networks, err := c.terms()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	config, err := c.load()
	if err != nil {
		return err
	}
	w, err := c.pick(config)
	if err != nil {
		return err
	}
	if err := knownConnection(w, c.Connection); err != nil {
		return err
	}
	if err := c.suits(w); err != nil {
		return &exitError{exitUsage, err}
	}
	if conn, err := polledConnection(w, c.Connection); err == nil {
		return &exitError{exitUsage, fmt.Errorf("connection %s is of kind %s: Rollcall reads that directory, which needs no token", conn.ID, conn.Kind)}
	}
	prefix := bearer.SCIM
	switch {
	case c.API:
		prefix = bearer.API
	case c.OAuth:
		prefix = bearer.Client
	}
	token, err := bearer.New(prefix)
	if err != nil {
		return err
	}
	row := store.TokenRow{Workspace: w.ID, ID: token.ID, Connection: c.Connection, Scopes: c.Scopes, Hash: token.Hash(), Networks: networks}
	if c.OAuth {
		row.Kind = store.TokenClient
	}
	if c.JWKS != "" {
		keys, err := c.publicKeys()
		if err != nil {
			return &exitError{exitUsage, err}
		}
		row.Hash, row.JWKS = "", string(keys)
	}
	if err := c.keep(ctx, config, w, row, lifetime); err != nil {
		return err
	}
	shown := token.Reveal()
	if row.JWKS != "" {
		shown = token.ID
	} else if c.OAuth {
		if _, err := fmt.Fprintln(env.err, "client_id "+token.ID+", token endpoint "+scim.TokenPath); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(env.out, shown)
	return err
}

// publicKeys reads the keys of a client that signs its requests.
func (c *tokenCreateCmd) publicKeys() ([]byte, error) {
	text, err := os.ReadFile(c.JWKS)
	if err != nil {
		return nil, err
	}
	keys, err := scim.ClientKeys(text)
	if err != nil {
		return nil, fmt.Errorf("--jwks: %w", err)
	}
	return keys, nil
}

// suits tells whether connection, --api and scopes fit one another, and fills
// in the scopes that are meant when none is given.
func (c *tokenCreateCmd) suits(w *configs.Workspace) error {
	kind := ""
	for i := range w.Connections {
		if w.Connections[i].ID == c.Connection {
			kind = w.Connections[i].Kind
		}
	}
	known, usual := []string{"read", "users", "groups", api.ScopeRevocationsRead}, []string{"read", "users", "groups"}
	switch {
	case c.OAuth && kind != "scim":
		return fmt.Errorf("connection %s is of kind %s: --oauth wants one of kind scim", c.Connection, kind)
	case c.JWKS != "" && !c.OAuth:
		return errors.New("--jwks belongs to --oauth: add it")
	case c.OAuth:
		known = []string{"read", "users", "groups"}
	case c.API && kind != "api":
		return fmt.Errorf("connection %s is of kind %s: --api wants one of kind api, such as {id: phone, kind: api}", c.Connection, kind)
	case !c.API && kind == "api":
		return fmt.Errorf("connection %s is of kind api: add --api", c.Connection)
	case c.API:
		known, usual = api.Scopes(), nil
		for _, scope := range known {
			if strings.HasSuffix(scope, ":read") {
				usual = append(usual, scope)
			}
		}
	}
	if len(c.Scopes) == 0 {
		c.Scopes = usual
	}
	for _, scope := range c.Scopes {
		if !slices.Contains(known, scope) {
			return fmt.Errorf("--scopes: unknown scope %q: use %s", scope, strings.Join(known, ", "))
		}
	}
	return nil
}

// terms reads lifetime and networks.
func (c *tokenCreateCmd) terms() (time.Duration, []string, error) {
	lifetime, err := configs.ParseDuration(c.Expires)
	if err != nil {
		return 0, nil, fmt.Errorf("--expires: %w", err)
	}
	if lifetime < time.Minute || lifetime > 10*365*24*time.Hour {
		return 0, nil, errors.New("--expires: a token is good for at least 1m and at most 3650d")
	}
	networks := make([]string, 0, len(c.Networks))
	for _, text := range c.Networks {
		var p netip.Prefix
		if p, err = configs.ParseProxy(text); err != nil {
			return 0, nil, fmt.Errorf("--networks: %w", err)
		}
		networks = append(networks, p.String())
	}
	return lifetime, networks, nil
}

// knownConnection refuses a connection that the configuration does not have.
func knownConnection(w *configs.Workspace, id string) error {
	var ids []string
	for _, conn := range w.Connections {
		if conn.ID == id {
			return nil
		}
		ids = append(ids, conn.ID)
	}
	return &exitError{exitUsage, fmt.Errorf("workspace %s has no connection %q: it has %s", w.ID, id, orNone(ids))}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// keep writes the token's hash. Connections that no daemon has made yet are
// made now.
func (c *tokenCreateCmd) keep(ctx context.Context, config *configs.Config, w *configs.Workspace, row store.TokenRow, lifetime time.Duration) (err error) {
	s, err := makeSession(ctx, config, w)
	if err != nil {
		return err
	}
	defer s.close(&err)
	e, err := s.engine(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	row.CreatedAt, row.ExpiresAt = workspace.At(now), workspace.At(now.Add(lifetime))
	err = e.IssueToken(ctx, row)
	var full *sync.TokensError
	if errors.As(err, &full) {
		return fmt.Errorf("%w, %s\ndo: revoke the one that is not in use: rollcall token revoke %s", err, strings.Join(full.Live, " and "), full.Live[0])
	}
	return err
}

// tokenState says whether a token is good: live, expired or revoked.
func tokenState(t *store.TokenRow, now workspace.Micros) string {
	switch {
	case t.RevokedAt != 0:
		return "revoked"
	case t.ExpiresAt <= now:
		return "expired"
	}
	return "live"
}

type tokenListCmd struct {
	workspaceFlag
	formatFlag
	Connection string `help:"Only this connection's." placeholder:"ID"`
}

// Help is shown by --help.
func (tokenListCmd) Help() string { return "Example:\n  rollcall token list --connection okta" }

// tokenView is a token in JSON.
type tokenView struct {
	ID         string            `json:"id"`
	Kind       string            `json:"kind"` // bearer, or client (OAuth)
	Connection string            `json:"connection_id"`
	State      string            `json:"state"`
	Scopes     []string          `json:"scopes"`
	Networks   []string          `json:"networks"`
	CreatedAt  workspace.Micros  `json:"created_at"`
	ExpiresAt  workspace.Micros  `json:"expires_at"`
	RevokedAt  *workspace.Micros `json:"revoked_at"`
	LastUsedAt *workspace.Micros `json:"last_used_at"`
	DaysLeft   *int              `json:"days_left"` // null for one that has ended
}

// Run lists tokens.
func (c *tokenListCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	var tokens []store.TokenRow
	err = s.view(ctx, func(r *store.Reader) (err error) {
		tokens, err = r.Tokens(c.Connection)
		return err
	})
	if err == nil && len(tokens) == 0 && c.Connection != "" {
		err = knownConnection(s.workspace, c.Connection) // those of a former connection are listed
	}
	if err != nil {
		return err
	}
	now := workspace.At(time.Now())
	views := []tokenView{}
	l := listing{
		header: []string{"id", "connection", "state", "created", "expires", "last_used", "networks", "kind", "days_left"},
		none:   "no tokens; make one with: rollcall token create --connection ID",
	}
	for i := range tokens {
		t := &tokens[i]
		v := tokenView{
			t.ID, t.Kind, t.Connection, tokenState(t, now), orEmpty(t.Scopes), orEmpty(t.Networks), t.CreatedAt, t.ExpiresAt,
			optionalTime(t.RevokedAt), optionalTime(t.LastUsedAt), nil,
		}
		left := ""
		if days := sync.TokenDays(t, now); days >= 0 {
			v.DaysLeft, left = &days, strconv.Itoa(days)
			if days <= 30 {
				left += " (ends soon)"
			}
		}
		views = append(views, v)
		l.rows = append(l.rows, []string{v.ID, v.Connection, v.State, stamp(t.CreatedAt), stamp(t.ExpiresAt), stamp(t.LastUsedAt), strings.Join(v.Networks, " "), v.Kind, left})
	}
	l.items = views
	return l.write(env.out, c.Format)
}

type tokenRevokeCmd struct {
	workspaceFlag
	ID string `arg:"" help:"Token's id: the part after rcs_, see token list."`
}

// Help is shown by --help.
func (tokenRevokeCmd) Help() string { return "Example:\n  rollcall token revoke k3q7xw2a" }

// Run ends a token.
func (c *tokenRevokeCmd) Run(ctx context.Context, env *environment) (err error) {
	id := c.ID
	for _, prefix := range []string{bearer.SCIM, bearer.API, bearer.Client} {
		id = strings.TrimPrefix(id, prefix+"_")
	}
	id, _, _ = strings.Cut(id, "_") // a whole token is taken too, and not echoed
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	e, err := s.engine(ctx)
	if err != nil {
		return err
	}
	err = e.RevokeToken(ctx, s.workspace.ID, id)
	if errors.Is(err, workspace.ErrNotFound) {
		return fmt.Errorf("no token %q in workspace %s\ndo: see rollcall token list", id, s.workspace.ID)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.out, "token %s is revoked\n", id)
	return err
}
