package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Endpoint is where a document of a provider leads.
type Endpoint struct {
	Name string // as the document calls it: token_endpoint, jwks_uri
	Host string // with its port, if the address has one
}

// ErrHostChanged says that a provider's document leads to a host that it did not lead
// to before, and nobody has approved it (ON1).
var ErrHostChanged = errors.New("the provider's endpoints are on another host than before")

// findingHosts is the code of the finding about a changed host.
const findingHosts = "ON1"

// KnowEndpoints compares where a document leads with where it led when the
// connection was first used, and remembers what is new at a known host. A
// changed host is ErrHostChanged, with a finding, until a person approves it:
// a forged document would carry codes, secrets and refresh tokens elsewhere.
// It is safe for concurrent use.
func (e *Engine) KnowEndpoints(ctx context.Context, id, connection, document string, seen []Endpoint) error {
	s, conn, err := e.space(id, connection)
	if err != nil {
		return err
	}
	var changed []store.EndpointRow
	var news endpointNews
	err = s.h.View(ctx, func(r *store.Reader) error {
		news, err = compareEndpoints(r, conn.ID, document, seen, workspace.At(e.now()))
		return err
	})
	if err != nil {
		return err
	}
	if changed = news.changed; len(news.write) > 0 {
		err = s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
			changed, err = e.noteEndpoints(s, conn, tx, document, seen)
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s (ON1); if that is right, an administrator runs rollcall connections approve-hosts %s --as EMAIL", ErrHostChanged, describeHosts(changed), connection)
}

// endpointNews is how a document differs from what is known of it.
type endpointNews struct {
	write   []store.EndpointRow // rows to be written
	changed []store.EndpointRow // rows whose host waits for a person
}

// compareEndpoints compares a document with what is known of it. What was
// never seen of a document is believed once, all together; later only at a
// host that it has led to before. What waits and is no longer named waits no
// more.
func compareEndpoints(r *store.Reader, connection, document string, seen []Endpoint, now workspace.Micros) (news endpointNews, err error) {
	rows, err := r.Endpoints(connection)
	if err != nil {
		return news, err
	}
	known, hosts := map[string]store.EndpointRow{}, map[string]bool{}
	for _, row := range rows {
		if row.Document == document {
			known[row.Name], hosts[row.Host] = row, true
		}
	}
	first := len(known) == 0
	for _, at := range seen {
		row, has := known[at.Name]
		delete(known, at.Name)
		switch {
		case row.Host == "" && (first || hosts[at.Host]):
			news.write = append(news.write, store.EndpointRow{Connection: connection, Document: document, Name: at.Name, Host: at.Host, SeenAt: now})
			continue
		case !has:
			row = store.EndpointRow{Connection: connection, Document: document, Name: at.Name, SeenAt: now}
		}
		waiting := at.Host
		if row.Host == at.Host {
			waiting = ""
		}
		if row.Waiting != waiting {
			row.Waiting, row.WaitingAt = waiting, now
			news.write = append(news.write, row)
		}
		if waiting != "" {
			news.changed = append(news.changed, row)
		}
	}
	for _, name := range sortedKeys(known) {
		if row := known[name]; row.Waiting != "" {
			row.Waiting, row.WaitingAt = "", 0
			news.write = append(news.write, row)
		}
	}
	return news, nil
}

// noteEndpoints writes what differs, and opens or closes the finding.
func (e *Engine) noteEndpoints(s *space, conn Connection, tx *store.Tx, document string, seen []Endpoint) ([]store.EndpointRow, error) {
	u, err := e.newUnit(s, conn, tx, Batch{Workspace: s.cfg.ID, Connection: conn.ID, Kind: RunSignin, Trigger: "request", Channel: workspace.ChannelSignin, SeenAt: e.now()})
	if err != nil {
		return nil, err
	}
	news, err := compareEndpoints(&tx.Reader, conn.ID, document, seen, u.now)
	if err != nil {
		return nil, err
	}
	for _, row := range news.write {
		if err := tx.PutEndpoint(row); err != nil {
			return nil, err
		}
	}
	if err := u.hostsFinding(conn.ID); err != nil {
		return nil, err
	}
	if len(u.findings) == 0 {
		return news.changed, nil // what was believed the first time is no news
	}
	return news.changed, u.finish()
}

// hostsFinding keeps the finding about a connection's hosts: open while a host
// waits, and about those that do.
func (u *unit) hostsFinding(connection string) error {
	rows, err := u.tx.Endpoints(connection)
	if err != nil {
		return err
	}
	waiting := slices.DeleteFunc(rows, func(r store.EndpointRow) bool { return r.Waiting == "" })
	open, err := u.tx.FindingsOf(findingHosts, "connection", connection)
	if err != nil {
		return err
	}
	text := "The connection stands still: " + describeHosts(waiting) + "."
	for i := range open {
		f := open[i]
		if len(waiting) > 0 && f.Text == text {
			return nil
		}
		if err := u.tx.CloseFinding(f.ID, u.run, u.now); err != nil {
			return err
		}
		f.ClosedAt, f.ClosedRun = u.now, u.run
		u.findings = append(u.findings, f)
	}
	if len(waiting) == 0 {
		return nil
	}
	f := store.FindingRow{
		ID: newID(), Code: findingHosts, Severity: "critical", SubjectType: "connection", Subject: connection, OpenedAt: u.now, OpenedRun: u.run, Text: text,
		Remedy: "ask whoever runs the identity provider; if that is right, an administrator runs rollcall connections approve-hosts " + connection,
	}
	u.findings = append(u.findings, f)
	u.tx.AfterCommit(func() {
		u.e.log.Error("the identity provider's endpoints are on another host: the connection stands still until that is approved (ON1)",
			"workspace", u.s.cfg.ID, "connection", connection, "remedy", f.Remedy)
	})
	return u.tx.OpenFinding(f)
}

// describeHosts says in words which hosts differ.
func describeHosts(rows []store.EndpointRow) string {
	parts := make([]string, len(rows))
	for i := range rows {
		r := &rows[i]
		was := "was on " + r.Host
		if r.Host == "" {
			was = "is new"
		}
		parts[i] = fmt.Sprintf("%s of %s is on %s and %s", r.Name, r.Document, r.Waiting, was)
	}
	return strings.Join(parts, ", ")
}

// HostApproval is a person's word that a provider has moved.
type HostApproval struct {
	Workspace, Connection string
	As                    string   // address of the member who says so
	Hosts                 []string // those approved; nil approves what waits
	Reason                string
}

// ErrMayNotApproveHosts says that only Owners and Admins do.
var ErrMayNotApproveHosts = errors.New("may not approve hosts: integrations are configured by Owners and Admins (M11)")

// ApproveHosts lets a connection go on at the hosts that wait, with a report
// and a leaf of the log, and gives the endpoints concerned. A host in Hosts
// that does not wait is an *EditError.
func (e *Engine) ApproveHosts(ctx context.Context, a HostApproval) (approved []store.EndpointRow, err error) {
	if _, _, err := e.space(a.Workspace, a.Connection); err != nil {
		return nil, err
	}
	err = e.tokenUnit(ctx, a.Workspace, func(u *unit) error {
		by, err := u.tx.MemberByEmail(emailKey(a.As))
		if err != nil {
			return fmt.Errorf("member %s: %w", a.As, err)
		}
		if !by.Usable() || by.Role < workspace.RoleAdmin {
			return fmt.Errorf("%w: %s", ErrMayNotApproveHosts, a.As)
		}
		u.actor.ID, u.actor.Label, u.actor.Kind, u.actor.Role = by.ID, by.Email, workspace.ActorOperator, by.Role
		rows, err := u.tx.Endpoints(a.Connection)
		if err != nil {
			return err
		}
		approved = slices.DeleteFunc(rows, func(r store.EndpointRow) bool {
			return r.Waiting == "" || a.Hosts != nil && !slices.Contains(a.Hosts, r.Waiting)
		})
		for _, host := range a.Hosts {
			if !slices.ContainsFunc(approved, func(r store.EndpointRow) bool { return r.Waiting == host }) {
				return &EditError{Field: "host", Reason: host + " does not wait", Remedy: "name a host that waits at connection " + a.Connection}
			}
		}
		for _, row := range approved {
			u.planHost(row, a.Reason)
		}
		return nil
	})
	return approved, err
}

// planHost plans that one endpoint may lie where it lies now.
func (u *unit) planHost(row store.EndpointRow, reason string) {
	u.add(planned{
		Change: workspace.Change{
			Kind: workspace.ConnectionHost, Subject: workspace.Ref{Type: "connection", ID: row.Connection, Label: row.Name + " " + row.Waiting},
			Cause: workspace.Cause{Kind: workspace.CauseEdit, Connection: row.Connection, Note: reason, ReasonClass: "correction"},
		},
		person: "host:" + row.Document + " " + row.Name,
		ruling: &workspace.Decision{Verdict: workspace.Allow, Row: "M11", Rule: findingHosts, Reason: "An Owner or Admin says that the provider's endpoint has moved there."},
		then: []effect{func(tx *store.Tx) error {
			row.Host, row.Waiting, row.SeenAt, row.WaitingAt = row.Waiting, "", u.now, 0
			if err := tx.PutEndpoint(row); err != nil {
				return err
			}
			return u.hostsFinding(row.Connection)
		}},
	})
}
