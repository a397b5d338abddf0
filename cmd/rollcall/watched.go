package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// signInView is what is known of a connection of kind oidc, in JSON.
type signInView struct {
	Issuer  string `json:"issuer"`
	Records string `json:"records"` // the connection whose records these people are
	// Watched counts the people whose account is asked about, Unwatched those
	// with a record who are not (OL1).
	Watched   int               `json:"watched"`
	Unwatched int               `json:"unwatched"`
	Signals   int64             `json:"signals"`         // taken
	Strangers int64             `json:"unknown_signals"` // of those, about nobody here (SI3)
	HeardAt   *workspace.Micros `json:"signals_heard_at"`
	// Hosts are where the provider's documents led when the connection was
	// first used, and what has changed since (ON1).
	Hosts []hostView `json:"hosts"`
}

// hostView is one endpoint of a provider.
type hostView struct {
	Document  string            `json:"document"`
	Endpoint  string            `json:"endpoint"`
	Host      string            `json:"host"`
	Waiting   *string           `json:"waiting"` // another host, that a person has to approve
	WaitingAt *workspace.Micros `json:"waiting_at"`
}

// fields are the lines of a connection's own page; none for other kinds.
func (v *signInView) fields() [][2]string {
	if v == nil {
		return nil
	}
	var hosts, waiting []string
	for i := range v.Hosts {
		h := &v.Hosts[i]
		if h.Waiting != nil {
			waiting = append(waiting, h.Endpoint+" on "+*h.Waiting)
		}
		if h.Host != "" && !slices.Contains(hosts, h.Host) {
			hosts = append(hosts, h.Host)
		}
	}
	return [][2]string{
		{"issuer", v.Issuer},
		{"endpoints on", strings.Join(hosts, ", ")},
		{"to be approved", strings.Join(waiting, ", ")},
		{"records of", v.Records},
		{"people asked about", strconv.Itoa(v.Watched)},
		{"people not asked about", zeroIsNone(v.Unwatched)},
		{"signals heard", stampOf(v.HeardAt)},
		{"signals", zeroIsNone(int(v.Signals))},
		{"signals about nobody", zeroIsNone(int(v.Strangers))},
	}
}

// recordsOf is the connection whose records the people of another one are.
func recordsOf(c *configs.Connection) string {
	if c.OIDC.SignIn.Records != "" {
		return c.OIDC.SignIn.Records
	}
	return c.ID
}

// readSignIn reads what is known of a connection of kind oidc, and why its
// signals are not heard, "" if they are (ON4).
func readSignIn(r *store.Reader, c *configs.Connection, now time.Time) (v *signInView, cause string, err error) {
	v = &signInView{Issuer: c.OIDC.Issuer, Records: recordsOf(c)}
	err = eachWatched(r, c, now, func(row store.WatchRow) error {
		if row.Token && row.Reason {
			v.Watched++
		} else {
			v.Unwatched++
		}
		return nil
	})
	if err != nil {
		return v, "", err
	}
	state, err := r.SignalState(c.ID)
	if err != nil {
		return v, "", err
	}
	v.Signals, v.Strangers, v.HeardAt = state.Taken, state.Unknown, optionalTime(state.HeardAt)
	rows, err := r.Endpoints(c.ID)
	if err != nil {
		return v, "", err
	}
	v.Hosts = make([]hostView, len(rows))
	for i := range rows {
		h := &rows[i]
		v.Hosts[i] = hostView{h.Document, h.Name, h.Host, optionalText(h.Waiting), optionalTime(h.WaitingAt)}
		if h.Waiting != "" {
			cause = h.Name + " is on another host than before: see rollcall connections approve-hosts"
		}
	}
	if cause != "" {
		return v, cause, nil
	}
	s := c.OIDC.Signals.SSF
	every := s.Every
	if s.Mode == "poll" && every == 0 {
		every = oidc.DefaultSSFEvery
	}
	switch silence := now.Sub(state.HeardAt.Time()); {
	case state.Cause != "":
		cause = "signals: " + state.Cause
	case s.Has() && every > 0 && state.HeardAt != 0 && silence > 2*every:
		cause = fmt.Sprintf("signals: nothing was heard for %s", silence.Round(time.Second))
	}
	return v, cause, nil
}

// eachWatched walks over the active people with a record at a connection.
func eachWatched(r *store.Reader, c *configs.Connection, now time.Time, do func(store.WatchRow) error) error {
	after := ""
	for {
		rows, err := r.Watch(recordsOf(c), c.ID, after, workspace.At(now), 500)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := do(row); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].Member
	}
}

type connectionWatchedCmd struct {
	workspaceFlag
	formatFlag
	Connection string `arg:"" help:"Connection of kind oidc."`
	Not        bool   `help:"Only people who are not asked about." name:"not"`
}

// Help is shown by --help.
func (connectionWatchedCmd) Help() string {
	return `Lists the active people of a connection, and whether the provider is asked if their account still answers (liveness): only
people who signed in and have a live session or a number are. Who is not, and is in no directory either, has no
deprovisioning path: nothing would end their access.

Example:
  rollcall connections watched sso --not`
}

// watchedView is one person in JSON.
type watchedView struct {
	Member  string            `json:"member"`
	Email   string            `json:"email"`
	Watched bool              `json:"watched"`
	Why     string            `json:"why"`
	Verdict *string           `json:"verdict"` // of the last answer: alive, E3, E4
	Code    *string           `json:"code"`    // the provider's word for it
	AskedAt *workspace.Micros `json:"asked_at"`
	AliveAt *workspace.Micros `json:"alive_at"`
}

// Run lists people.
func (c *connectionWatchedCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	x, err := oidcConnection(s.workspace, c.Connection)
	if err != nil {
		return err
	}
	covered := x.OIDC.SignIn.Records != "" || x.OIDC.Directory.Has()
	views := []watchedView{}
	l := listing{header: []string{"email", "watched", "why", "verdict", "asked_at", "alive_at"}, none: "nobody"}
	err = s.view(ctx, func(r *store.Reader) error {
		return eachWatched(r, x, time.Now(), func(row store.WatchRow) error {
			v := watchedView{
				Member: row.Member, Email: row.Email, Watched: row.Token && row.Reason, Why: whyWatched(&row, x, covered),
				Verdict: optionalText(row.Verdict), Code: optionalText(row.Code), AskedAt: optionalTime(row.AskedAt), AliveAt: optionalTime(row.AliveAt),
			}
			if v.Watched && c.Not {
				return nil
			}
			views = append(views, v)
			l.rows = append(l.rows, []string{v.Email, yesNo(v.Watched), v.Why, deref(v.Verdict), stampOf(v.AskedAt), stampOf(v.AliveAt)})
			return nil
		})
	})
	if err != nil {
		return err
	}
	l.items = views
	return l.write(env.out, c.Format)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// whyWatched says why somebody is or is not asked about.
func whyWatched(row *store.WatchRow, c *configs.Connection, covered bool) string {
	var why string
	switch {
	case row.Token && row.Reason:
		return "every " + c.OIDC.Liveness.Every.String()
	case c.OIDC.Liveness.Every == 0:
		why = "liveness is off"
	case row.State == store.GrantLost:
		why = "the provider takes the token no more"
	case !row.Token:
		why = "has not signed in"
	default:
		why = "no live session and no number"
	}
	if covered {
		return why + "; " + recordsOf(c) + " tells of leavers"
	}
	return why + "; no deprovisioning path"
}

// oidcConnection finds a connection of kind oidc.
func oidcConnection(w *configs.Workspace, id string) (*configs.Connection, error) {
	if err := knownConnection(w, id); err != nil {
		return nil, err
	}
	for i := range w.Connections {
		if c := &w.Connections[i]; c.ID == id && c.Kind == oidc.Kind {
			return c, nil
		}
	}
	return nil, &exitError{exitUsage, fmt.Errorf("connection %s is not of kind oidc\ndo: name one that is; see `rollcall connections list`", id)}
}

type rekeyCmd struct {
	configFlag
}

// Help is shown by --help.
func (rekeyCmd) Help() string {
	return `Encrypts every secret of the store anew with the first key of key_ring. To change keys: put a new line in front, run this,
and take the old line away. It may run beside the daemon.

Example:
  rollcall rekey --config rollcall.yaml`
}

// Run encrypts anew.
func (c *rekeyCmd) Run(ctx context.Context, env *environment) (err error) {
	config, err := c.load()
	if err != nil {
		return err
	}
	if config.KeyRing.IsZero() {
		return &exitError{exitUsage, errors.New("key_ring is not set: nothing is encrypted\ndo: name a file of keys in key_ring, see configs/example.yaml; sign-in needs one, nothing else does")}
	}
	providers, err := openProviders(config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	total := 0
	for i := range config.Workspaces {
		n, err := rekey(ctx, config, &config.Workspaces[i], providers)
		if err != nil {
			return err
		}
		total += n
	}
	_, err = io.WriteString(env.out, fmt.Sprintf("%d secrets encrypted anew\n", total))
	return err
}

// rekey encrypts the secrets of one workspace anew.
func rekey(ctx context.Context, config *configs.Config, w *configs.Workspace, providers []*identityProvider) (n int, err error) {
	s, err := makeSession(ctx, config, w)
	if err != nil {
		return 0, err
	}
	defer s.close(&err)
	e, err := s.engine(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range providers {
		if p.workspace != w.ID {
			continue
		}
		done, err := e.Reseal(ctx, w.ID, p.connection.ID, p.Reseal)
		if n += done; err != nil {
			return n, fmt.Errorf("connection %s: %w: is the key that encrypted it still in key_ring?", p.connection.ID, err)
		}
	}
	return n, nil
}
