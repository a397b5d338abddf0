package sync

import (
	"encoding/json"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Schemas of the reports; they change only on a break.
const (
	RunSchema    = "rollcall.run/1"
	ChangeSchema = "rollcall.change/1"
)

// SyncRun is one run's report (reports-and-audit section 2). Unknown values
// are null, empty lists are [].
type SyncRun struct {
	Schema       string           `json:"schema"`
	RunID        string           `json:"run_id"`
	WorkspaceID  string           `json:"workspace_id"`
	ConnectionID *string          `json:"connection_id"`
	ParentRunID  *string          `json:"parent_run_id"`
	Txn          string           `json:"txn"`
	Kind         RunKind          `json:"kind"`
	SourceKind   string           `json:"source_kind"`
	Trigger      string           `json:"trigger"`
	DryRun       bool             `json:"dry_run"`
	LeaseToken   *int64           `json:"lease_token"`
	Actor        ActorReport      `json:"actor"`
	Channel      string           `json:"channel"`
	State        string           `json:"state"` // running, done, held, failed, aborted
	ExitCode     int              `json:"exit_code"`
	StartedAt    workspace.Micros `json:"started_at"`
	EndedAt      workspace.Micros `json:"ended_at"`
	DurationMS   int64            `json:"duration_ms"`
	Error        *ErrorReport     `json:"error"`
	SourceReport
	Build       string            `json:"build"`
	ConfigHash  string            `json:"config_hash"`
	MappingHash string            `json:"mapping_hash"`
	PolicyHash  string            `json:"policy_hash"`
	MatrixHash  string            `json:"matrix_hash"`
	PlanHash    *string           `json:"plan_hash"`
	Counts      Counts            `json:"counts"`
	ByKind      map[string]Counts `json:"by_kind"`
	Joiners     int               `json:"joiners"`
	Movers      int               `json:"movers"`
	LeaversN    int               `json:"leavers_n"`
	Privileged  []string          `json:"privileged"`
	Brake       BrakeReport       `json:"brake"`
	Billing     BillingReport     `json:"billing"`
	Leavers     []LeaverReport    `json:"leavers"`
	// LeaverSpeed is how fast the connection ends access, filled in when a
	// report with leavers is read.
	LeaverSpeed *LeaverSpeed `json:"leaver_speed,omitempty"`
	// Unowned are numbers left without owner, group or pool: the primary Owner
	// answers for them (I2, F09).
	Unowned        []string       `json:"numbers_without_owner"`
	Refusal        *RefusalReport `json:"refusal"`
	Notices        []string       `json:"notices"`
	Audit          AuditReport    `json:"audit"`
	FindingsOpened []string       `json:"findings_opened"`
	FindingsClosed []string       `json:"findings_closed"`
	Changes        []ChangeReport `json:"changes,omitempty"`
}

// ActorReport is who acted, with the effective authority.
type ActorReport struct {
	Kind      string  `json:"kind"` // person, connection, system, approver
	ID        string  `json:"id"`
	Label     string  `json:"label"`
	Role      string  `json:"role"`
	Sponsor   *string `json:"sponsor"`
	TokenID   *string `json:"token_id"`
	IP        *string `json:"ip"`
	UserAgent *string `json:"user_agent"`
}

// ErrorReport is why a run failed.
type ErrorReport struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint"`
}

// SourceReport is what a run read.
type SourceReport struct {
	CursorBefore     *string  `json:"cursor_before"`
	CursorAfter      *string  `json:"cursor_after"`
	MarkBefore       *string  `json:"mark_before"`
	MarkAfter        *string  `json:"mark_after"`
	Pages            int      `json:"pages"`
	Requests         int      `json:"requests"`
	Entries          int      `json:"entries"`
	Bytes            int64    `json:"bytes"`
	Seen             int      `json:"seen"`
	Matched          int      `json:"matched"`
	New              int      `json:"new"`
	Changed          int      `json:"changed"`
	Unchanged        int      `json:"unchanged"`
	Missing          int      `json:"missing"`
	MissingConfirmed int      `json:"missing_confirmed"`
	Ambiguous        int      `json:"ambiguous"`
	Excluded         int      `json:"excluded"`
	OutOfScope       int      `json:"out_of_scope"`
	Invalid          int      `json:"invalid"`
	Referrals        int      `json:"referrals"`
	ThrottledMS      int64    `json:"throttled_ms"`
	Complete         bool     `json:"complete"`
	IncompleteWhy    []string `json:"incomplete_why"`
}

// BrakeReport tells which limits a run met.
type BrakeReport struct {
	Tripped        bool              `json:"tripped"`
	Limits         []BrakeLimit      `json:"limits"`
	ReleasedBy     *string           `json:"released_by"`
	ReleasedReason *string           `json:"released_reason"`
	ReleasedAt     *workspace.Micros `json:"released_at"`
}

// BrakeLimit is one limit with what was counted against it.
type BrakeLimit struct {
	Name   string `json:"name"`
	Window string `json:"window"`
	Limit  int    `json:"limit"`
	Seen   int    `json:"seen"`
	Base   int    `json:"base"`
}

// BillingReport is what a run does to the bill.
type BillingReport struct {
	SeatsBefore   int              `json:"seats_before"`
	SeatsAfter    int              `json:"seats_after"`
	NumbersBefore int              `json:"numbers_before"`
	NumbersAfter  int              `json:"numbers_after"`
	ChargeCents   int64            `json:"charge_cents"`
	CreditCents   int64            `json:"credit_cents"`
	NetCents      int64            `json:"net_cents"`
	Currency      string           `json:"currency"`
	PeriodEnd     workspace.Micros `json:"period_end"`
	CapSeats      *int             `json:"cap_seats"`
	CapNumbers    *int             `json:"cap_numbers"`
	Basis         string           `json:"basis"`
}

// LeaverReport is one leaver with the times of leavers-and-events section 1.
type LeaverReport struct {
	MemberID      string            `json:"member_id"`
	Label         string            `json:"label"`
	Class         string            `json:"class"`
	Why           string            `json:"why"`
	Path          WayKind           `json:"path"` // how the word came; "" from a person or the clock
	T0            *workspace.Micros `json:"t0_upstream_at"`
	T1            workspace.Micros  `json:"t1_seen_at"`
	T2            workspace.Micros  `json:"t2_committed_at"`
	T3            *workspace.Micros `json:"t3_delivered_at"`
	T4            *workspace.Micros `json:"t4_verified_at"`
	RevokeMS      int64             `json:"revoke_ms"`
	DeliverMS     *int64            `json:"deliver_ms"`
	SessionsEnded int               `json:"sessions_ended"`
	TokensRevoked int               `json:"tokens_revoked"`
	Numbers       []LeaverNumber    `json:"numbers"`
	Contacts      LostContacts      `json:"contacts"`
	Pending       []string          `json:"pending"`
	Findings      []string          `json:"findings,omitempty"` // open now
	SLOOK         bool              `json:"slo_ok"`
}

// LostContacts is what a leaver loses of the workspace's contacts. Numbers is how
// many numbers' contacts they no longer read; the contacts stay with the others,
// as they were shared. Private tells where their own go: escrow, invisible until
// an Owner claims them (I12).
type LostContacts struct {
	Numbers int    `json:"numbers"`
	Private string `json:"private"`
}

// LeaverNumber is where one of a leaver's numbers went.
type LeaverNumber struct {
	NumberID string `json:"number_id"`
	Number   string `json:"number"`
	To       string `json:"to"`
	Strategy string `json:"strategy"`
}

// RefusalReport tells that the request as a whole was refused.
type RefusalReport struct {
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"`
	Reason  string `json:"reason"`
	Remedy  string `json:"remedy"`
	Ref     string `json:"ref"`
}

// AuditReport is where the run stands in the log.
type AuditReport struct {
	FirstLeaf      *int64            `json:"first_leaf"`
	LastLeaf       *int64            `json:"last_leaf"`
	Size           int64             `json:"size"`
	Root           string            `json:"root"`
	CheckpointSize *int64            `json:"checkpoint_size"`
	PublishedAt    *workspace.Micros `json:"published_at"`
}

// ChangeReport is one decision in a report (reports-and-audit section 3).
type ChangeReport struct {
	Schema         string                      `json:"schema"`
	ChangeID       string                      `json:"change_id"`
	RunID          string                      `json:"run_id"`
	CommitID       string                      `json:"commit_id"`
	WorkspaceID    string                      `json:"workspace_id"`
	Seq            int                         `json:"seq"`
	At             workspace.Micros            `json:"at"`
	Txn            string                      `json:"txn"`
	Actor          ActorReport                 `json:"actor"`
	Channel        string                      `json:"channel"`
	ReasonClass    string                      `json:"reason_class"`
	Note           *string                     `json:"note"`
	SourceIdentity *SourceIdentity             `json:"source_identity"`
	MappingRule    *string                     `json:"mapping_rule"`
	RuleAuthor     *string                     `json:"rule_author"`
	AbsenceProofID *string                     `json:"absence_proof_id"`
	Kind           string                      `json:"kind"`
	Target         workspace.Ref               `json:"target"`
	Member         *workspace.Ref              `json:"member"`
	Summary        string                      `json:"summary"`
	Modified       []workspace.Modified        `json:"modified"`
	Decision       DecisionReport              `json:"decision"`
	Invariants     []workspace.InvariantResult `json:"invariants"`
	Outcome        string                      `json:"outcome"`
	Error          *ErrorReport                `json:"error"`
	LeafIndex      int64                       `json:"leaf_index"`
	RecordHash     string                      `json:"record_hash"`
}

// SourceIdentity is the record that brought a change about.
type SourceIdentity struct {
	ConnectionID string           `json:"connection_id"`
	IdentityID   string           `json:"identity_id"`
	ExternalID   string           `json:"external_id"`
	ObservedAt   workspace.Micros `json:"observed_at"`
	Class        string           `json:"class"`
	Why          string           `json:"why"`
}

// DecisionReport is the verdict on a change, as reports show it.
type DecisionReport struct {
	Verdict  string  `json:"verdict"`
	Row      *string `json:"row"`
	RowText  *string `json:"row_text"`
	Rule     string  `json:"rule"`
	Reason   string  `json:"reason"`
	Remedy   string  `json:"remedy"`
	HoldID   *string `json:"hold_id"`
	PlanHash *string `json:"plan_hash"`
	Approver *string `json:"approver"`
	Approves *string `json:"approves"` // least role that may approve a hold
}

// optional gives nil for text that is not there.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// addUp sums a unit's report into its run's.
func (r *SyncRun) addUp(u SyncRun) {
	source, started, kinds := r.SourceReport, r.StartedAt, r.ByKind
	counts, joiners, movers, leavers, privileged := r.Counts, r.Joiners, r.Movers, r.LeaversN, r.Privileged
	lines, notices, limits, changes, first := r.Leavers, r.Notices, r.Brake, r.Changes, r.Audit.FirstLeaf
	fault, state, billing, unowned := r.Error, r.State, r.Billing, r.Unowned
	had := r.RunID != ""
	*r = u
	r.SourceReport = source
	r.Excluded += u.Excluded
	r.Brake.Limits = append(limits.Limits, u.Brake.Limits...)
	r.Brake.Tripped = limits.Tripped || u.Brake.Tripped
	if !had {
		r.Error, r.Changes = fault, changes
		if state != "" {
			r.State = state
		}
		return
	}
	r.StartedAt = started
	r.DurationMS = int64(r.EndedAt-r.StartedAt) / 1000
	r.Counts = Counts{counts.Applied + u.Counts.Applied, counts.Noop + u.Counts.Noop, counts.Held + u.Counts.Held, counts.Denied + u.Counts.Denied, counts.Failed + u.Counts.Failed}
	for k, c := range u.ByKind {
		n := kinds[k]
		kinds[k] = Counts{n.Applied + c.Applied, n.Noop + c.Noop, n.Held + c.Held, n.Denied + c.Denied, n.Failed + c.Failed}
	}
	r.ByKind = kinds
	r.Joiners, r.Movers, r.LeaversN = joiners+u.Joiners, movers+u.Movers, leavers+u.LeaversN
	r.Privileged = append(privileged, u.Privileged...)
	r.Leavers = append(lines, u.Leavers...)
	r.Notices = append(notices, u.Notices...)
	r.Unowned = append(unowned, u.Unowned...)
	r.Notices = r.Notices[:min(len(r.Notices), 200)]
	r.Audit.FirstLeaf = first
	r.Billing.SeatsBefore, r.Billing.NumbersBefore = billing.SeatsBefore, billing.NumbersBefore
	r.Billing.ChargeCents, r.Billing.CreditCents = billing.ChargeCents+u.Billing.ChargeCents, billing.CreditCents+u.Billing.CreditCents
	r.Billing.NetCents = r.Billing.ChargeCents - r.Billing.CreditCents
	r.Changes = changes
	r.Error, r.State = fault, orElse(state, u.State)
	switch {
	case r.Counts.Failed > 0 || r.Error != nil:
		r.ExitCode = 1
	case r.Counts.Denied+r.Counts.Held > 0:
		r.ExitCode = 3
	default:
		r.ExitCode = 0
	}
}

// encode makes the run's row body.
func (r *SyncRun) encode() ([]byte, error) {
	body := *r
	body.Changes = nil
	return json.Marshal(body)
}
