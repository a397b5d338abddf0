package store

import "github.com/rollcall-sync/rollcall/workspace"

// RunRow is one run; Body is its SyncRun without changes, as JSON.
type RunRow struct {
	ID, Connection, Kind, State         string
	StartedAt, EndedAt                  workspace.Micros
	Applied, Noop, Held, Denied, Failed int
	Body                                []byte
}

// PutRun inserts a run, or replaces one with the same id.
func (t *Tx) PutRun(r RunRow) error { panic("unwritten") }

// Run reads a run; id may be a unique prefix of at least 8 characters, or
// "last" for the newest.
func (r *Reader) Run(id string) (RunRow, error) { panic("unwritten") }

// Runs lists runs, newest first, before a moment (zero: from the newest).
func (r *Reader) Runs(connection string, before workspace.Micros, limit int) ([]RunRow, error) {
	panic("unwritten")
}

// ChangeRow is one recorded change. Record is the audit record as hashed;
// Body is the report's change as JSON.
type ChangeRow struct {
	ID, Run, Commit       string
	Seq                   int
	Kind                  string
	TargetType, TargetID  string
	Member                string
	ActorKind, Connection string
	Verdict, Outcome      string
	Row, Rule             string
	At                    workspace.Micros
	Leaf                  int64
	AbsenceProof          string // "" stored as NULL
	Record, Body          []byte
}

// InsertChanges writes recorded changes.
func (t *Tx) InsertChanges(rows []ChangeRow) error { panic("unwritten") }

// ChangesOfRun lists a run's changes in order.
func (r *Reader) ChangesOfRun(run string) ([]ChangeRow, error) { panic("unwritten") }

// ChangesOfMember lists a member's newest changes first.
func (r *Reader) ChangesOfMember(member string, limit int) ([]ChangeRow, error) { panic("unwritten") }

// AbsenceProofRow is the stored proof of one removal (EV5).
type AbsenceProofRow struct {
	ID, Run, Identity, Connection, Class, Reason string
	FirstMissed, Confirmed                       workspace.Micros
	Reads, Confirm                               []byte
}

// InsertAbsenceProof writes a proof.
func (t *Tx) InsertAbsenceProof(p AbsenceProofRow) error { panic("unwritten") }

// HoldRow is a held plan.
type HoldRow struct {
	ID          string // H-115
	PlanHash    string // sha256:...
	Connection  string
	Run         string
	Subject     string // what the plan is about: "member:ID", "identity:ID", "connection:ID"
	State       string // open, approved, rejected, expired, withdrawn
	Reason      string
	CreatedAt   workspace.Micros
	ExpiresAt   workspace.Micros
	DecidedAt   workspace.Micros
	DecidedBy   string
	DecidedWhy  string
	Observation []byte // the observation to apply on approval, "" if planning again is enough
	Changes     []byte // JSON list of the report's changes
}

// OpenHolds lists open holds, newest first; subject "" lists all.
func (r *Reader) OpenHolds(subject string) ([]HoldRow, error) { panic("unwritten") }

// HoldByHash finds the open hold of a plan hash, whole or a unique prefix of
// at least 8 hex digits (with or without "sha256:"), or by its hold id.
func (r *Reader) HoldByHash(hash string) (HoldRow, error) { panic("unwritten") }

// PutHold inserts or replaces a hold by id.
func (t *Tx) PutHold(h HoldRow) error { panic("unwritten") }

// NextRef takes the next reference number of the workspace (H-115, D-118).
func (t *Tx) NextRef() (int64, error) { panic("unwritten") }

// RejectionRow remembers that a person rejected a change.
type RejectionRow struct {
	Fingerprint, By, Reason string
	At, Until               workspace.Micros
}

// Rejection finds a rejection in force.
func (r *Reader) Rejection(fingerprint string, at workspace.Micros) (RejectionRow, error) {
	panic("unwritten")
}

// PutRejection inserts or replaces one.
func (t *Tx) PutRejection(row RejectionRow) error { panic("unwritten") }

// EventRow is one outbox event.
type EventRow struct {
	SubjectType, Subject string
	Seq                  int64
	ID, Type             string
	Leaver               bool
	Leaf                 int64
	At                   workspace.Micros
	Body                 []byte
}

// NextSeq takes the next outbox sequence of a subject from its own row (OB1);
// the subject's type is member, number, group, or connection.
func (t *Tx) NextSeq(subjectType, subject string) (int64, error) { panic("unwritten") }

// InsertEvents writes outbox rows.
func (t *Tx) InsertEvents(rows []EventRow) error { panic("unwritten") }

// EventsOf lists a subject's events in order after a sequence.
func (r *Reader) EventsOf(subjectType, subject string, after int64, limit int) ([]EventRow, error) {
	panic("unwritten")
}

// AuditHead is the head of the log. Edge are the stored hashes of the right
// edge of the tree, so that an append reads one row.
type AuditHead struct {
	Gen, Size int64
	Root      string
	Edge      []byte
}

// LockAuditHead reads the head for writing; it is locked last (L5).
func (t *Tx) LockAuditHead() (AuditHead, error) { panic("unwritten") }

// AppendAudit writes a leaf with the new hashes and head.
func (t *Tx) AppendAudit(head AuditHead, n int64, leaf []byte, hashes map[int64]string) error {
	panic("unwritten")
}

// AuditValueRow opens one commitment in the log.
type AuditValueRow struct{ Commitment, Member, Attr, Salt, Value string }

// InsertAuditValues writes opened values.
func (t *Tx) InsertAuditValues(rows []AuditValueRow) error { panic("unwritten") }
