package sync

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// changeBody is a change's report as it is stored: what the row's columns do
// not say already, and nothing that is empty. Reports are most of what a store
// holds, so this halves it.
type changeBody struct {
	Workspace   string                      `json:"workspace_id"`
	Txn         string                      `json:"txn,omitempty"`
	Actor       actorBody                   `json:"actor"`
	Channel     string                      `json:"channel"`
	ReasonClass string                      `json:"reason_class,omitempty"`
	Note        *string                     `json:"note,omitempty"`
	Source      *SourceIdentity             `json:"source_identity,omitempty"`
	MappingRule *string                     `json:"mapping_rule,omitempty"`
	RuleAuthor  *string                     `json:"rule_author,omitempty"`
	Label       string                      `json:"label,omitempty"` // of the target
	Member      *workspace.Ref              `json:"member,omitempty"`
	Summary     string                      `json:"summary"`
	Modified    []workspace.Modified        `json:"modified,omitempty"`
	RowText     *string                     `json:"row_text,omitempty"`
	Reason      string                      `json:"reason,omitempty"`
	Remedy      string                      `json:"remedy,omitempty"`
	HoldID      *string                     `json:"hold_id,omitempty"`
	PlanHash    *string                     `json:"plan_hash,omitempty"`
	Approver    *string                     `json:"approver,omitempty"`
	Approves    *string                     `json:"approves,omitempty"`
	Invariants  []workspace.InvariantResult `json:"invariants,omitempty"`
	Error       *ErrorReport                `json:"error,omitempty"`
}

// actorBody is an ActorReport without what is empty.
type actorBody struct {
	Kind      string  `json:"kind"`
	ID        string  `json:"id"`
	Label     string  `json:"label,omitempty"`
	Role      string  `json:"role"`
	Sponsor   *string `json:"sponsor,omitempty"`
	TokenID   *string `json:"token_id,omitempty"`
	IP        *string `json:"ip,omitempty"`
	UserAgent *string `json:"user_agent,omitempty"`
}

// body is what is stored of a report.
func (c *ChangeReport) body() ([]byte, error) {
	d := &c.Decision
	return json.Marshal(&changeBody{
		Workspace: c.WorkspaceID, Txn: c.Txn, Actor: actorBody(c.Actor), Channel: c.Channel, ReasonClass: c.ReasonClass, Note: c.Note,
		Source: c.SourceIdentity, MappingRule: c.MappingRule, RuleAuthor: c.RuleAuthor, Label: c.Target.Label, Member: c.Member,
		Summary: c.Summary, Modified: c.Modified, RowText: d.RowText, Reason: d.Reason, Remedy: d.Remedy, HoldID: d.HoldID,
		PlanHash: d.PlanHash, Approver: d.Approver, Approves: d.Approves, Invariants: c.Invariants, Error: c.Error,
	})
}

// wholeBody begins the body of a change that was stored before bodies left out
// what the columns say.
var wholeBody = []byte(`{"schema":`)

// ReadChange gives the report of a stored change.
func ReadChange(row *store.ChangeRow) (ChangeReport, error) {
	var c ChangeReport
	if bytes.HasPrefix(row.Body, wholeBody) {
		if err := json.Unmarshal(row.Body, &c); err != nil {
			return c, fmt.Errorf("change %s: %w", row.ID, err)
		}
		return c, nil
	}
	var b changeBody
	if err := json.Unmarshal(row.Body, &b); err != nil {
		return c, fmt.Errorf("change %s: %w", row.ID, err)
	}
	sum := sha256.Sum256(row.Record)
	c = ChangeReport{
		Schema: ChangeSchema, ChangeID: row.ID, RunID: row.Run, CommitID: row.Commit, WorkspaceID: b.Workspace, Seq: row.Seq, At: row.At,
		Txn: b.Txn, Actor: ActorReport(b.Actor), Channel: b.Channel, ReasonClass: b.ReasonClass, Note: b.Note, SourceIdentity: b.Source,
		MappingRule: b.MappingRule, RuleAuthor: b.RuleAuthor, AbsenceProofID: optional(row.AbsenceProof), Kind: row.Kind,
		Target: workspace.Ref{Type: row.TargetType, ID: row.TargetID, Label: b.Label}, Member: b.Member, Summary: b.Summary, Modified: b.Modified,
		Decision: DecisionReport{
			Verdict: row.Verdict, RowText: b.RowText, Rule: row.Rule, Reason: b.Reason, Remedy: b.Remedy, HoldID: b.HoldID,
			PlanHash: b.PlanHash, Approver: b.Approver, Approves: b.Approves,
		},
		Invariants: b.Invariants, Outcome: row.Outcome, Error: b.Error, LeafIndex: row.Leaf, RecordHash: "sha256:" + hex.EncodeToString(sum[:]),
	}
	if b.RowText != nil { // they are known together
		c.Decision.Row = &row.Row
	}
	if c.Modified == nil {
		c.Modified = []workspace.Modified{}
	}
	if c.Invariants == nil {
		c.Invariants = []workspace.InvariantResult{}
	}
	return c, nil
}
