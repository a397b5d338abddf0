package store

import "github.com/rollcall-sync/rollcall/workspace"

// AnswerRow is the kept answer of an idempotent request.
type AnswerRow struct {
	Key     string // names the request
	Request string // hash of what was asked
	Body    []byte // text, as its edge sealed it
	At      workspace.Micros
}

const (
	sqlAnswer = `SELECT answer_key, request, body, at FROM answer
		WHERE workspace_id = ? AND answer_key = ? AND at >= ?`
	// An answer that is too old to be given again makes room for the next.
	sqlPutAnswer     = `INSERT INTO answer (workspace_id, answer_key, request, body, at) VALUES (?, ?, ?, ?, ?)`
	sqlForgetAnswers = `DELETE FROM answer WHERE workspace_id = ? AND at < ?`
)

// Answer finds an answer that was kept since a moment.
func (r *Reader) Answer(key string, since workspace.Micros) (v AnswerRow, err error) {
	err = r.row(sqlAnswer, r.ws, key, since).Scan(&v.Key, &v.Request, &v.Body, &v.At)
	return v, err
}

// PutAnswer forgets the answers from before a moment, and keeps one. Of two
// units that keep one under the same key the second gets a *ConflictError
// with Table "answer".
func (t *Tx) PutAnswer(v AnswerRow, forget workspace.Micros) error {
	if err := t.exec(sqlForgetAnswers, t.ws, forget); err != nil {
		return err
	}
	return t.exec(sqlPutAnswer, t.ws, v.Key, v.Request, v.Body, v.At)
}
