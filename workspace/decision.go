package workspace

// Verdict is what the three layers (matrix and scope rules, invariants,
// policy) say of a change: deny over hold over allow.
type Verdict string

// The verdicts.
const (
	Allow Verdict = "allow"
	Hold  Verdict = "hold"
	Deny  Verdict = "deny"
)

// Decision is the verdict on one change. Row is the matrix row that spoke
// ("" if none did); Rule is `M06.Member` (row and missing tick), a scope
// rule, I1..I14, P.<policy key>, SPONSOR, BRAKE.<limit> or a mapping row.
// Reason is one sentence a person understands; Remedy is a possible act.
// Held and denied decisions always carry Rule, Reason and Remedy.
type Decision struct {
	Change  Change
	Verdict Verdict
	Row     Permission
	Rule    string
	Reason  string
	Remedy  string
	// Approvers is the least role that may approve a held change.
	Approvers Role
	// Invariants lists the invariants that were judged for this change, with
	// their result, for the report.
	Invariants []InvariantResult
}

// InvariantResult is one invariant's outcome for one change.
type InvariantResult struct {
	ID string `json:"id"`
	OK bool   `json:"ok"`
}
