package sync

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestChangeBody: a report is read back as it was, from a body that leaves out
// what the columns say, and from a whole one as it used to be stored.
func TestChangeBody(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	full := ChangeReport{
		Schema: ChangeSchema, ChangeID: "c1", RunID: "r1", CommitID: "k1", WorkspaceID: "acme", Seq: 3, At: 5, Txn: "t1",
		Actor:   ActorReport{Kind: "person", ID: "m9", Label: "ann@acme.com", Role: "owner", Sponsor: text("m8"), TokenID: text("t"), IP: text("::1"), UserAgent: text("x")},
		Channel: "console", ReasonClass: "offboarding", Note: text("note"), SourceIdentity: &SourceIdentity{ConnectionID: "corp", IdentityID: "i1", ObservedAt: 4, Class: "E1"},
		MappingRule: text("r-member"), RuleAuthor: text("m9"), AbsenceProofID: text("p1"), Kind: "member.deactivate",
		Target: workspace.Ref{Type: "member", ID: "m1", Label: "bo@acme.com"}, Member: &workspace.Ref{Type: "member", ID: "m1"}, Summary: "bo leaves",
		Modified: []workspace.Modified{{Attr: "state", Old: text("active"), New: text("deactivated"), Source: "rule"}},
		Decision: DecisionReport{
			Verdict: "hold", Row: text("M13"), RowText: text("Remove members"), Rule: "BRAKE", Reason: "why", Remedy: "wait",
			HoldID: text("H-1"), PlanHash: text("ab"), Approver: text("m9"), Approves: text("admin"),
		},
		Invariants: []workspace.InvariantResult{{ID: "I1", OK: true}}, Outcome: "held", Error: &ErrorReport{Code: "store"}, LeafIndex: 7,
		RecordHash: "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
	}
	bare := ChangeReport{
		Schema: ChangeSchema, ChangeID: "c2", RunID: "r1", CommitID: "k1", WorkspaceID: "acme", Kind: "group.join", Target: workspace.Ref{Type: "group", ID: "g1"},
		Modified: []workspace.Modified{}, Invariants: []workspace.InvariantResult{}, Outcome: "applied", RecordHash: full.RecordHash,
	}
	for name, want := range map[string]ChangeReport{"full": full, "bare": bare} {
		row := store.ChangeRow{
			ID: want.ChangeID, Run: want.RunID, Commit: want.CommitID, Seq: want.Seq, Kind: want.Kind, TargetType: want.Target.Type, TargetID: want.Target.ID,
			Verdict: want.Decision.Verdict, Outcome: want.Outcome, Rule: want.Decision.Rule, At: want.At, Leaf: want.LeafIndex, Record: []byte(`{"a":1}`),
		}
		if want.Decision.Row != nil {
			row.Row = *want.Decision.Row
		}
		if want.AbsenceProofID != nil {
			row.AbsenceProof = *want.AbsenceProofID
		}
		short, err := want.body()
		if err != nil {
			t.Fatal(err)
		}
		whole, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if 2*len(short) > len(whole)+len(whole)/2 {
			t.Errorf("%s: %d bytes of %d are stored", name, len(short), len(whole))
		}
		for _, body := range [][]byte{short, whole} {
			row.Body = body
			got, err := ReadChange(&row)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v\n%s", name, err, diff)
			}
		}
	}
	if _, err := ReadChange(&store.ChangeRow{Body: []byte(`{`)}); err == nil {
		t.Error("half a body was read")
	}
}
