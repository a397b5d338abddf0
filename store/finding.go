package store

import "github.com/rollcall-sync/rollcall/workspace"

// FindingRow is something wrong that needs a person (domain section 14).
type FindingRow struct {
	ID, Code             string
	Severity             string // critical, high, warning, info
	SubjectType, Subject string
	Text, Remedy         string
	OpenedAt, ClosedAt   workspace.Micros // ClosedAt is zero while it is open
	OpenedRun, ClosedRun string
}

const (
	findingColumns = `finding_id, code, severity, subject_type, subject_id, text, remedy, opened_at, opened_run, closed_at, closed_run`

	insertFinding = `INSERT INTO finding (workspace_id, ` + findingColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '')`
	closeFinding  = `UPDATE finding SET closed_at = ?, closed_run = ? WHERE workspace_id = ? AND finding_id = ? AND closed_at = 0`

	selectOpenFindings = `SELECT ` + findingColumns + ` FROM finding
		WHERE workspace_id = ? AND closed_at = 0 ORDER BY opened_at, finding_id LIMIT CAST(? AS BIGINT)`
	selectFindingsOf = `SELECT ` + findingColumns + ` FROM finding
		WHERE workspace_id = ? AND code = ? AND subject_type = ? AND subject_id = ? AND closed_at = 0`

	// F19: leavers whom a receiver has not heard of in time, and for whom no
	// finding is open; a retired sink is nobody's concern.
	selectUntoldLeavers = `SELECT ` + deliveryColumns + ` FROM delivery
		WHERE workspace_id = ? AND leaver AND state = 'pending' AND event_at <= ?
			AND sink_id NOT IN (SELECT sink.sink_id FROM sink WHERE sink.workspace_id = ? AND sink.state = 'retired')
			AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.workspace_id = delivery.workspace_id AND f.code = 'F19'
				AND f.subject_type = delivery.subject_type AND f.subject_id = delivery.subject_id AND f.closed_at = 0)
		ORDER BY event_at, event_id LIMIT CAST(? AS BIGINT)`
	selectToldFindings = `SELECT ` + findingColumns + ` FROM finding
		WHERE workspace_id = ? AND code = 'F19' AND closed_at = 0
			AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.workspace_id = finding.workspace_id AND d.subject_id = finding.subject_id
				AND d.leaver AND d.state = 'pending'
				AND d.sink_id NOT IN (SELECT sink.sink_id FROM sink WHERE sink.workspace_id = d.workspace_id AND sink.state = 'retired'))
		ORDER BY opened_at, finding_id LIMIT CAST(? AS BIGINT)`
)

func scanFinding(s scanner, v *FindingRow) error {
	return s.Scan(&v.ID, &v.Code, &v.Severity, &v.SubjectType, &v.Subject, &v.Text, &v.Remedy, &v.OpenedAt, &v.OpenedRun, &v.ClosedAt, &v.ClosedRun)
}

// OpenFinding writes a finding that is open from now on; ClosedAt and
// ClosedRun are not looked at. A second one of the same code and subject is a
// *ConflictError.
func (t *Tx) OpenFinding(v FindingRow) error {
	return t.exec(insertFinding, t.ws, v.ID, v.Code, v.Severity, v.SubjectType, v.Subject, v.Text, v.Remedy, v.OpenedAt, v.OpenedRun)
}

// CloseFinding closes an open finding; one that is not open is
// workspace.ErrNotFound.
func (t *Tx) CloseFinding(id, run string, at workspace.Micros) error {
	return t.found(closeFinding, at, run, t.ws, id)
}

// OpenFindings lists what is open, the oldest first.
func (r *Reader) OpenFindings(limit int) ([]FindingRow, error) {
	return list(r, scanFinding, selectOpenFindings, r.ws, limit)
}

// FindingsOf lists what is open of a code about one subject: one, or none.
func (r *Reader) FindingsOf(code, subjectType, subject string) ([]FindingRow, error) {
	return list(r, scanFinding, selectFindingsOf, r.ws, code, subjectType, subject)
}

// UntoldLeavers lists leaver events that are older than a moment, that a sink
// has not acknowledged and of whose subject no F19 is open, oldest first.
func (r *Reader) UntoldLeavers(before workspace.Micros, limit int) ([]DeliveryRow, error) {
	return list(r, scanDelivery, selectUntoldLeavers, r.ws, before, r.ws, limit)
}

// ToldFindings lists the open F19 of whose subject no leaver event waits any
// more.
func (r *Reader) ToldFindings(limit int) ([]FindingRow, error) {
	return list(r, scanFinding, selectToldFindings, r.ws, limit)
}
