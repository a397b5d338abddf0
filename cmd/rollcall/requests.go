package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

type requestsCmd struct {
	workspaceFlag
	formatFlag
	Connection string `help:"Connection that sent them." required:"" placeholder:"ID"`
	Person     string `help:"Only those about this person: login name or address." placeholder:"NAME"`
	Limit      int    `help:"How many at most, the newest." default:"50"`
	Before     string `help:"Only those before this request's id." placeholder:"ID"`
}

// Help is shown by --help.
func (requestsCmd) Help() string {
	return `What an identity provider sent by SCIM and what became of it, newest first: verdict, status, which tolerance the request
needed (TL01 to TL15, see connections show), the run that it caused, and its body without secrets. How long requests are
kept is requests.keep in the configuration.

Example:
  rollcall requests --connection okta --person ann@acme.com
  rollcall requests --connection okta --format json --limit 5`
}

// requestView is a request in JSON.
type requestView struct {
	ID         string               `json:"id"`
	At         workspace.Micros     `json:"at"`
	Connection string               `json:"connection_id"`
	Method     string               `json:"method"`
	Path       string               `json:"path"`
	Query      *string              `json:"query"`
	Status     int                  `json:"status"`
	Verdict    *string              `json:"verdict"` // allow, hold, deny, noop; null for what no engine judged
	Detail     *string              `json:"detail"`  // of an error's answer
	RunID      *string              `json:"run_id"`
	SubjectID  *string              `json:"subject_id"`
	Tolerated  []store.ToleranceUse `json:"tolerated"`
	TokenID    string               `json:"token_id"`
	IP         string               `json:"ip"`
	UserAgent  *string              `json:"user_agent"`
	TookUS     int64                `json:"took_us"`
	BodyBytes  int                  `json:"body_bytes"`
	Body       json.RawMessage      `json:"body"` // without secrets; null if there was none, or none that can be kept
}

// Run lists requests.
func (c *requestsCmd) Run(ctx context.Context, env *environment) (err error) {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	if err := pushingConnection(s.workspace, c.Connection); err != nil {
		return err
	}
	if c.Before != "" && uuid.Validate(c.Before) != nil {
		return &exitError{exitUsage, errors.New("--before: give the id of a request, see --format json")}
	}
	f := store.RequestFilter{Connection: c.Connection, Before: c.Before, Limit: c.Limit}
	if c.Person != "" {
		f.UserKey, f.EmailKey = fold.Key(c.Person), fold.Email(c.Person)
	}
	var rows []store.RequestRow
	err = s.view(ctx, func(r *store.Reader) (err error) {
		rows, err = r.Requests(f)
		return err
	})
	if err != nil {
		return err
	}
	views := []requestView{}
	l := listing{
		header: []string{"at", "method", "path", "status", "verdict", "tolerated", "run", "detail", "body"},
		none:   "no requests; how long they are kept is requests.keep in the configuration",
	}
	for i := range rows {
		v := viewRequest(&rows[i])
		views = append(views, v)
		l.rows = append(l.rows, v.cells(c.Format))
	}
	l.items = views
	return l.write(env.out, c.Format)
}

// pushingConnection refuses a connection that nobody sends SCIM requests over.
func pushingConnection(w *configs.Workspace, id string) error {
	if err := knownConnection(w, id); err != nil {
		return err
	}
	for i := range w.Connections {
		if c := &w.Connections[i]; c.ID == id && c.Kind != "scim" {
			return &exitError{exitUsage, fmt.Errorf("connection %s is of kind %s: only those of kind scim are pushed to\ndo: see what was read with `rollcall runs list --connection %s`", id, c.Kind, id)}
		}
	}
	return nil
}

func viewRequest(q *store.RequestRow) requestView {
	v := requestView{
		ID: q.ID, At: q.At, Connection: q.Connection, Method: q.Method, Path: q.Path, Query: optionalText(q.Query), Status: q.Status,
		Verdict: optionalText(q.Verdict), Detail: optionalText(q.Detail), RunID: optionalText(q.Run), SubjectID: optionalText(q.Subject),
		Tolerated: orEmpty(q.Tolerances), TokenID: q.Token, IP: q.IP, UserAgent: optionalText(q.UserAgent), TookUS: q.Took.Microseconds(),
		BodyBytes: q.BodyBytes, Body: json.RawMessage("null"),
	}
	if q.Body != "" {
		v.Body = json.RawMessage(q.Body)
	}
	return v
}

// shownBody is how much of a body a line of text shows.
const shownBody = 200

func (v *requestView) cells(format string) []string {
	run, body := deref(v.RunID), ""
	if string(v.Body) != "null" {
		body = string(v.Body)
	}
	path := v.Path
	if v.Query != nil {
		path += "?" + *v.Query
	}
	at := v.At.String()
	if format == "text" {
		at = stamp(v.At)
		if run != "" {
			run = shortRun(run)
		}
		if len(body) > shownBody {
			body = strings.ToValidUTF8(body[:shownBody], "") + "..."
		}
	}
	return []string{at, v.Method, path, strconv.Itoa(v.Status), deref(v.Verdict), toleratedText(v.Tolerated), run, deref(v.Detail), body}
}

// toleratedText names tolerances, each with the attribute it was needed for.
func toleratedText(uses []store.ToleranceUse) string {
	list := make([]string, len(uses))
	for i, u := range uses {
		list[i] = u.Rule + " " + u.Attribute
	}
	return strings.Join(list, "; ")
}
