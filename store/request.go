package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// ToleranceUse is a tolerance that a request needed (TL01 to TL15), or another
// note about it, with the attribute it concerns.
type ToleranceUse struct {
	Rule      string `json:"rule"`
	Attribute string `json:"attribute"`
	Count     int    `json:"count"`
}

// RequestRow is one SCIM request and what became of it.
type RequestRow struct {
	Connection, ID string // ID is the request id of the answer, a UUIDv7
	At             workspace.Micros
	Method         string
	Path           string // behind /scim/v2
	Query          string // the parameters that are known
	Status         int
	// Verdict is allow, hold or deny if the engine has judged the request, noop
	// if nothing was to be done, "" otherwise.
	Verdict    string
	Detail     string // of an error's answer
	Run        string // the run that did it, "" for none
	Subject    string // id of the User or Group, "" for none
	PersonKey  string // folded login name that the request states or asks for
	Tolerances []ToleranceUse
	Token      string // id
	IP         string
	UserAgent  string
	Took       time.Duration
	BodyBytes  int
	Body       string // JSON without secrets; "" if there was none, or none that can be kept
}

const (
	requestColumns = `connection_id, request_id, at, method, path, query, status, verdict, detail, run_id, subject_id, person_key,
		tolerances, token_id, ip, user_agent, took_us, body_bytes, body`
	sqlInsertRequests = `INSERT INTO request (workspace_id, ` + requestColumns + `) VALUES `
	sqlRequests       = `SELECT ` + requestColumns + ` FROM request
		WHERE workspace_id = ? AND connection_id = ? AND request_id < ? ORDER BY request_id DESC LIMIT CAST(? AS BIGINT)`
	// About a person are requests that state or ask for their login name, those
	// to their User, and those that changed the member: groups do that.
	sqlRequestsOf = `SELECT ` + requestColumns + ` FROM request
		WHERE workspace_id = ? AND connection_id = ? AND request_id < ? AND (person_key IN (?, ?)
			OR subject_id IN (SELECT i.identity_id FROM identity i
				WHERE i.workspace_id = ? AND i.connection_id = ? AND i.user_key = ? AND NOT i.deleted)
			OR subject_id IN (SELECT i.identity_id FROM identity i
				WHERE i.workspace_id = ? AND i.connection_id = ? AND i.email_key = ? AND NOT i.deleted)
			OR subject_id IN (SELECT q.subject_id FROM request q
				WHERE q.workspace_id = ? AND q.connection_id = ? AND q.person_key IN (?, ?) AND q.subject_id <> '')
			OR run_id IN (SELECT c.run_id FROM change c JOIN member m ON m.workspace_id = c.workspace_id AND m.member_id = c.member_id
				WHERE m.workspace_id = ? AND m.email_key = ? AND m.state <> 'removed'))
		ORDER BY request_id DESC LIMIT CAST(? AS BIGINT)`
	sqlRequestBound = `SELECT request_id FROM request WHERE workspace_id = ? AND connection_id = ?
		ORDER BY request_id DESC LIMIT 1 OFFSET CAST(? AS BIGINT)`
	sqlPruneRequests = `DELETE FROM request WHERE workspace_id = ? AND connection_id = ? AND request_id < ?`
	sqlAddTolerance  = `INSERT INTO tolerance (workspace_id, connection_id, rule, attribute, used, first_at, last_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, rule, attribute) DO UPDATE SET used = tolerance.used + excluded.used,
			last_at = excluded.last_at`
	sqlTolerances = `SELECT rule, attribute, used, first_at, last_at FROM tolerance
		WHERE workspace_id = ? AND connection_id = ? ORDER BY rule, attribute`
	sqlForgetTolerance = `DELETE FROM tolerance WHERE workspace_id = ? AND connection_id = ? AND rule = ? AND attribute = ?`
)

func scanRequest(s scanner, q *RequestRow) error {
	var tolerances string
	var took int64
	err := s.Scan(&q.Connection, &q.ID, &q.At, &q.Method, &q.Path, &q.Query, &q.Status, &q.Verdict, &q.Detail, &q.Run, &q.Subject,
		&q.PersonKey, &tolerances, &q.Token, &q.IP, &q.UserAgent, &took, &q.BodyBytes, &q.Body)
	q.Took = time.Duration(took) * time.Microsecond
	if err == nil && tolerances != "" {
		err = json.Unmarshal([]byte(tolerances), &q.Tolerances)
	}
	return err
}

// InsertRequests writes requests, a few statements for many.
func (t *Tx) InsertRequests(rows []*RequestRow) error {
	const columns = 20
	return t.tuples(len(rows), columns, func(from, size int, values string) error {
		args := make([]any, 0, size*columns)
		for _, q := range rows[from : from+size] {
			tolerances := ""
			if len(q.Tolerances) > 0 {
				text, err := json.Marshal(q.Tolerances)
				if err != nil {
					return err
				}
				tolerances = string(text)
			}
			args = append(args, t.ws, q.Connection, q.ID, q.At, q.Method, q.Path, q.Query, q.Status, q.Verdict, q.Detail, q.Run, q.Subject,
				q.PersonKey, tolerances, q.Token, q.IP, q.UserAgent, q.Took.Microseconds(), q.BodyBytes, q.Body)
		}
		return t.exec(sqlInsertRequests+values, args...)
	})
}

// RequestFilter picks requests of one connection.
type RequestFilter struct {
	Connection string
	// UserKey and EmailKey are the folded name and address of a person; both
	// "" is everybody.
	UserKey, EmailKey string
	Before            string // id behind which to go on, "": from the newest
	Limit             int
}

// Requests lists requests, newest first.
func (r *Reader) Requests(f RequestFilter) ([]RequestRow, error) {
	before := f.Before
	if before == "" {
		before = afterAll
	}
	if f.UserKey == "" && f.EmailKey == "" {
		return list(r, scanRequest, sqlRequests, r.ws, f.Connection, before, f.Limit)
	}
	return list(r, scanRequest, sqlRequestsOf, r.ws, f.Connection, before, f.UserKey, f.EmailKey,
		r.ws, f.Connection, f.UserKey, r.ws, f.Connection, f.EmailKey,
		r.ws, f.Connection, f.UserKey, f.EmailKey, r.ws, f.EmailKey, f.Limit)
}

// PruneRequests deletes a connection's requests that came before a moment, and
// all but the newest most.
func (t *Tx) PruneRequests(connection string, before time.Time, most int) error {
	if err := t.exec(sqlPruneRequests, t.ws, connection, firstID(before)); err != nil {
		return err
	}
	oldest, err := list(&t.Reader, scanOne[string], sqlRequestBound, t.ws, connection, max(most-1, 0))
	if err != nil || len(oldest) == 0 {
		return err
	}
	return t.exec(sqlPruneRequests, t.ws, connection, oldest[0])
}

// firstID is the least UUIDv7 of a moment (RFC 9562 section 5.7).
func firstID(at time.Time) string {
	hex := fmt.Sprintf("%012x", max(at.UnixMilli(), 0))
	return hex[:8] + "-" + hex[8:]
}

// Tolerated is how often a connection needed a tolerance.
type Tolerated struct {
	ToleranceUse
	FirstAt, LastAt workspace.Micros
}

// Tolerances lists what a connection needed, by rule and attribute.
func (r *Reader) Tolerances(connection string) ([]Tolerated, error) {
	return list(r, func(s scanner, v *Tolerated) error {
		return s.Scan(&v.Rule, &v.Attribute, &v.Count, &v.FirstAt, &v.LastAt)
	}, sqlTolerances, r.ws, connection)
}

// AddTolerances counts what a connection needed.
func (t *Tx) AddTolerances(connection string, uses []ToleranceUse, at workspace.Micros) error {
	for _, u := range uses {
		if err := t.exec(sqlAddTolerance, t.ws, connection, u.Rule, u.Attribute, u.Count, at, at); err != nil {
			return err
		}
	}
	return nil
}

// ForgetTolerances ends counts of a connection; those that are not there are
// passed over. Count is not looked at.
func (t *Tx) ForgetTolerances(connection string, uses []ToleranceUse) error {
	for _, u := range uses {
		if err := t.exec(sqlForgetTolerance, t.ws, connection, u.Rule, u.Attribute); err != nil {
			return err
		}
	}
	return nil
}
