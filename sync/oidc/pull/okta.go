package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// oktaAttributes are the properties of Okta's default user profile.
var oktaAttributes = map[string][]string{
	"userName": {"profile.login"}, "email": {"profile.email"}, "displayName": {"profile.displayName"}, "givenName": {"profile.firstName"},
	"familyName": {"profile.lastName"}, "title": {"profile.title"}, "department": {"profile.department"}, "division": {"profile.division"},
	"organization": {"profile.organization"}, "costCenter": {"profile.costCenter"}, "employeeNumber": {"profile.employeeNumber"},
	"userType": {"profile.userType"}, "city": {"profile.city"}, "country": {"profile.countryCode"}, "locale": {"profile.locale"},
	"timezone": {"profile.timezone"}, "manager": {"profile.managerId"}, "telephoneNumber": {"profile.primaryPhone"}, "mobile": {"profile.mobilePhone"},
}

// The least rights: a scope of the application, and an administrator role
// that lets it see people. Without the role the API answers with empty lists.
const (
	oktaReadUsers  = "the scope okta.users.read, and a read-only administrator role for the application"
	oktaReadGroups = "the scope okta.groups.read, and a read-only administrator role for the application"
	oktaReadLogs   = "the scope okta.logs.read"
)

// Bounds of what Okta can tell of the past.
const (
	oktaOverlap = 5 * time.Minute     // searches lag behind
	oktaHistory = 90 * 24 * time.Hour // the System Log's
)

// okta is the API of one Okta organisation.
type okta struct{ *core }

func newOkta(c *core) provider {
	c.schema.id = "id"
	c.schema.flag = oktaStatus
	return &okta{c}
}

// oktaStatus reads a status. SUSPENDED and DEPROVISIONED are the explicit no;
// STAGED has not begun yet. Locked out or with an expired password a person
// still belongs here.
func oktaStatus(doc map[string]any) (active bool, reason string, known bool) {
	switch scalar(doc["status"]) {
	case "ACTIVE", "PROVISIONED", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED":
		return true, "", true
	case "SUSPENDED", "DEPROVISIONED", "STAGED":
		return false, "disabled", true
	}
	return false, "", false // a status that is new to us is unknown
}

func (o *okta) info() (sync.Capability, time.Duration) {
	return sync.CapDelta | sync.CapTombstones, time.Minute
}

func (o *okta) describe() any { return nil }

// refused sorts a refusal.
func (o *okta) refused(ans *answer, what, need string) error {
	var body struct {
		Code string `json:"errorCode"`
	}
	code := ""
	if ans.decode(&body) == nil {
		code = body.Code
	}
	if ans.status == http.StatusNotFound {
		return errNotFound
	}
	return ans.refused(what, code, need)
}

// nextLink gives the address of the link with rel="next" (RFC 8288).
func nextLink(h http.Header) string {
	for _, line := range h.Values("Link") {
		for line != "" {
			open, end := strings.IndexByte(line, '<'), strings.IndexByte(line, '>')
			if open < 0 || end < open {
				break
			}
			target := line[open+1 : end]
			params, rest, _ := strings.Cut(line[end+1:], "<")
			if strings.Contains(strings.ReplaceAll(params, " ", ""), `rel="next"`) {
				return target
			}
			if line = ""; rest != "" {
				line = "<" + rest
			}
		}
	}
	return ""
}

// list follows a list to its end.
func (o *okta) list(ctx context.Context, r *reader, u *url.URL, what, need string, each func(ans *answer, doc map[string]any) error) error {
	for {
		ans, err := r.fetch(ctx, u)
		if err != nil {
			return err
		}
		if ans.status != http.StatusOK {
			return o.refused(ans, what, need)
		}
		var docs *[]map[string]any
		if err := ans.decode(&docs); err != nil {
			return err
		}
		if docs == nil {
			return &sync.IncompleteError{Why: what + ": an answer 200 without its data"}
		}
		for _, doc := range *docs {
			if err := each(ans, doc); err != nil {
				return err
			}
		}
		next := nextLink(ans.header)
		if next == "" {
			return nil
		}
		if u, err = o.api.link(next); err != nil {
			return err
		}
	}
}

// tenant is the organisation's id; anybody may read it.
func (o *okta) tenant(ctx context.Context) (string, error) {
	ans, err := o.api.get(ctx, o.api.url("/.well-known/okta-organization", nil), nil)
	if err != nil {
		return "", err
	}
	var body struct {
		ID string `json:"id"`
	}
	if ans.status != http.StatusOK || ans.decode(&body) != nil || body.ID == "" {
		return "", nil
	}
	return body.ID, nil
}

// mark takes the server's own time.
func (o *okta) mark(ctx context.Context, at *position) error {
	_, err := o.anybody(ctx, at)
	return err
}

// anybody reads one person, and the server's clock.
func (o *okta) anybody(ctx context.Context, at *position) (bool, error) {
	ans, err := o.api.get(ctx, o.api.url("/api/v1/users", url.Values{"limit": {"1"}}), nil)
	if err != nil {
		return false, err
	}
	if ans.status != http.StatusOK {
		return false, o.refused(ans, "reading anybody", oktaReadUsers)
	}
	var docs []map[string]any
	if err := ans.decode(&docs); err != nil {
		return false, err
	}
	if at.Time, err = http.ParseTime(ans.header.Get("Date")); err != nil {
		return false, errors.New("the API does not tell its time (Date)")
	}
	return len(docs) > 0, nil
}

func (o *okta) visible(ctx context.Context) (bool, error) { return o.anybody(ctx, &position{}) }

// users reads a list of people.
func (o *okta) users(ctx context.Context, r *reader, q url.Values) error {
	q.Set("limit", fmt.Sprint(o.dir.PageSize))
	return o.list(ctx, r, o.api.url("/api/v1/users", q), "reading people", oktaReadUsers, func(ans *answer, doc map[string]any) error {
		if _, ok := doc["profile"].(map[string]any); !ok {
			return &sync.IncompleteError{Why: "a person shows no profile (data is missing)"}
		}
		_, _, err := r.person(ctx, doc, ans.at, true)
		return err
	})
}

// people reads everybody. The plain list hides the deprovisioned, who are
// those that matter most, so they are read for themselves; `search` would
// show both, but it lags.
func (o *okta) people(ctx context.Context, r *reader) (string, error) {
	if err := o.users(ctx, r, url.Values{}); err != nil {
		return "", err
	}
	if len(r.seen) == 0 {
		return "", &sync.IncompleteError{Why: "the list of people is empty, as it is without an administrator role: the application needs " + oktaReadUsers}
	}
	err := o.users(ctx, r, url.Values{"filter": {`status eq "DEPROVISIONED"`}})
	return `no Link rel="next"`, err
}

func (o *okta) get(ctx context.Context, id string) (workspace.Identity, error) {
	ans, err := o.api.get(ctx, o.api.url("/api/v1/users/"+url.PathEscape(id), nil), nil)
	if err != nil {
		return workspace.Identity{}, err
	}
	if ans.status != http.StatusOK {
		return workspace.Identity{}, o.refused(ans, "reading one person", oktaReadUsers)
	}
	return o.single(ans, id)
}

// delta reads who changed since the last time, with an overlap since searches
// lag, who was deleted by the System Log, and the members of groups whose
// membership changed: that moves nobody's own record.
func (o *okta) delta(ctx context.Context, r *reader, from position) (position, error) {
	next := from
	visible, err := o.anybody(ctx, &next)
	if err != nil {
		return next, err
	}
	if !visible {
		return next, &sync.IncompleteError{Why: "nobody is visible any more: the application needs " + oktaReadUsers}
	}
	if from.Time.IsZero() || next.Time.Sub(from.Time) > oktaHistory {
		return next, fmt.Errorf("%w: deletions are told for 90 days", sync.ErrCursorGone)
	}
	since := oktaTime(from.Time.Add(-oktaOverlap))
	for _, status := range []string{"", ` and status eq "DEPROVISIONED"`} {
		if err := o.users(ctx, r, url.Values{"filter": {`lastUpdated gt "` + since + `"` + status}}); err != nil {
			return next, err
		}
	}
	if err := o.purged(ctx, r, since, next.Time); err != nil {
		return next, err
	}
	if o.dir.Groups != oidc.GroupsNone {
		next.Closure, err = o.movedGroups(ctx, r, since, from.Closure)
	}
	return next, err
}

// oktaTime writes a moment as the API does.
func oktaTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// purged reads deletions, where the log is readable; elsewhere they show as
// absence in the next Full.
func (o *okta) purged(ctx context.Context, r *reader, since string, until time.Time) error {
	err := o.deletions(ctx, r, since, until)
	var missing *sync.ScopeError
	if errors.As(err, &missing) {
		o.log.Info("the System Log is not readable: deletions show later", "connection", o.opt.Connection)
		return nil
	}
	return err
}

// deletions reads the System Log. Its list must have an end in time, or its
// next link never ends.
func (o *okta) deletions(ctx context.Context, r *reader, since string, until time.Time) error {
	q := url.Values{
		"since": {since}, "until": {oktaTime(until)}, "limit": {"1000"}, "sortOrder": {"ASCENDING"},
		"filter": {`eventType eq "user.lifecycle.delete.completed"`},
	}
	return o.list(ctx, r, o.api.url("/api/v1/logs", q), "reading the System Log", oktaReadLogs, func(ans *answer, doc map[string]any) error {
		at, err := time.Parse(time.RFC3339, scalar(doc["published"]))
		if err != nil {
			at = ans.at.Time()
		}
		targets, _ := doc["target"].([]any) // an event about nobody
		for _, e := range targets {
			t, ok := e.(map[string]any)
			if id := scalar(t["id"]); ok && scalar(t["type"]) == "User" && id != "" {
				if err := o.gone(ctx, r, id, at); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// gone states a deletion, unless this run has met the person: an id is never
// given twice, but the log may be ahead of the lists.
func (o *okta) gone(ctx context.Context, r *reader, id string, at time.Time) error {
	if _, there := r.seen[id]; there && safeID(id) {
		found, err := o.get(ctx, id)
		if err == nil {
			return r.identity(ctx, found, true, true)
		}
		if !errors.Is(err, errNotFound) {
			return err
		}
		return r.identity(ctx, workspace.Identity{
			Connection: o.opt.Connection, ExternalID: id, Reason: "deleted", ObservedAt: workspace.At(o.now()),
			Attributes: workspace.Attributes{"active": {"false"}},
		}, true, false)
	}
	r.out.Gone = append(r.out.Gone, sync.Gone{ID: id, Why: "deleted", At: at})
	return nil
}
