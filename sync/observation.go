package sync

import (
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// RunKind is the nature of a run.
type RunKind string

// The kinds of run of reports-and-audit section 2.
const (
	RunSCIM     RunKind = "scim_request"
	RunFull     RunKind = "full"
	RunDelta    RunKind = "delta"
	RunTargeted RunKind = "targeted"
	RunSignin   RunKind = "signin"
	RunJoin     RunKind = "join"
	RunEdit     RunKind = "edit"
	RunApproval RunKind = "approval"
	RunUndo     RunKind = "undo"
	RunReview   RunKind = "review"
	RunExpiry   RunKind = "expiry"
	RunConfig   RunKind = "config"
)

// Batch is what one source says in one breath: a SCIM request, a page of a
// poll. It is one unit of work.
type Batch struct {
	Workspace, Connection string
	Kind                  RunKind
	Trigger               string // schedule, request, signal, operator, approval, start
	Txn                   string // request id
	Channel               workspace.Channel
	TokenID               string
	IP, UserAgent         string
	// SeenAt is T1: when the request body had been read.
	SeenAt time.Time
	DryRun bool
	// Notices are lines about the request itself for the report: what had to
	// be tolerated.
	Notices []string

	Identities []IdentityObservation
	Groups     []GroupObservation
	// People are identities to plan again though nothing new is said of them.
	People []string
	// Again, when set, holds the immutable ids of People, who wait for what they
	// were refused and are tried again. What is refused once more is no news, and
	// is not reported.
	Again []string
	// Half, when set, is the half of the plan that the batch is about.
	Half Half

	// Signal: a signal says it, and the tails of leavers wait for the
	// directory. Confirms: the directory says it of somebody it was asked
	// about, which lets such a tail go (SI2).
	Signal, Confirms bool

	// NewScope: the read is a connection's first whole one, or has another scope
	// than the one before: it ends nobody's access by a record that is new.
	NewScope bool

	// Brake, when set, holds the whole batch for a person (BR1).
	Brake *BrakeHold
	// Part, when set, is the part of the plan that the batch is about.
	Part Part
	// Held are parts of the plan that wait for a person, whatever is counted.
	Held map[Part]*BrakeHold

	// Cursor, when set, is committed with the batch.
	Cursor *store.CursorRow
	// Lease and Token fence a poll's writes (LE2).
	Lease string
	Token int64
	// Run, when set, is the run that this batch belongs to (a poll of many
	// pages); else the batch is a run of its own.
	Run string
	// sum is the report of that run, to which the batch adds.
	sum *SyncRun
	// aside are the parts that are left out of this batch's plan, for the run
	// puts them into one plan of their own; nil outside of a poll.
	aside map[Part]*BrakeHold
	// counts: the batch is only planned to be counted, and meets no limit.
	// firstRun: it is of a connection's first whole read, which adds everybody.
	counts, firstRun bool
}

// Op says what an observation does to a record.
type Op uint8

// The operations on records.
const (
	OpUpsert Op = iota
	OpDelete
)

// IdentityObservation is what a source says of one person: the whole
// identity afterwards.
type IdentityObservation struct {
	Op Op
	// Row is the identity as it shall be. Row.ID is "" for a new one.
	Row store.IdentityRow
	// Expect is the version that the caller read; 0 for a new identity. A
	// newer one in the store gives workspace.ErrStale and nothing is applied.
	Expect int64
	// Before is the record of that version, if the caller has it: a change that
	// no rule sees is then written without being planned.
	Before *workspace.Identity
	// Wishes are what the request itself asked for, where a person could ask
	// for too much: a role above Admin is refused, not ignored.
	Wishes Wishes
	Class  workspace.EvidenceClass
	Why    string // disabled, expired, deleted, absent, moved, filtered
	// UpstreamAt is T0 if the source states when it happened.
	UpstreamAt time.Time
}

// Wishes are direct inputs of a request that must be answered on the wire.
type Wishes struct {
	// Owner: the request asked for the role Owner, which no connection gives.
	Owner bool
	// Direct: the request wrote these inputs itself (role, numbers).
	Direct bool
}

// GroupObservation is what a source says of one directory group.
type GroupObservation struct {
	Op Op
	// Group is the group as it shall be; Write tells that its own row is new
	// or has changed (else only members do).
	Group   workspace.DirectoryGroup
	NameKey string
	Write   bool
	Expect  int64 // version read; 0 for a new group, -1 for any. With OpDelete 0 is any too
	Members *MemberDelta
}

// MemberDelta is a change of a group's direct members, in this order: Reset
// clears, Set is the whole list, then Add and Remove.
type MemberDelta struct {
	Reset       bool
	Set         []store.Edge
	HasSet      bool
	Add, Remove []store.Edge
}

// Result is what became of a batch.
type Result struct {
	Run string
	// Identities and Groups are the records after the commit, in the batch's
	// order; zero values where a record was refused or deleted.
	Identities []workspace.Identity
	Groups     []workspace.DirectoryGroup
	Outcomes   []Outcome
	Counts     Counts
	// Refusal is set when the request as a whole was refused: nothing of the
	// observation was stored (VW03, VW05, VW07, VW08, VW09).
	Refusal *Refusal
	// InvitationSecret is the secret of the link of an invitation that was
	// sent: shown once, never stored.
	InvitationSecret string
	// Notices are what the report says beside the changes.
	Notices []string
	// Answer is what the batch's Once.Answer made.
	Answer []byte
	summed *SyncRun
	// aside are the identities whose part of the plan was left out, and tripped
	// the limits that this batch has passed.
	aside     map[Part][]string
	tripped   map[Part]*BrakeHold
	otherHalf int    // changes that belong to the other half of the plan
	contests  string // the workspace that holds a domain which was proved here
}

// Outcome is one decision with what became of it.
type Outcome struct {
	Decision workspace.Decision
	Summary  string // the change as one line for people, as the report has it
	Outcome  string // applied, held, denied, failed, noop
	HoldID   string
	PlanHash string
	Ref      string // H-115, D-118
}

// Counts are a run's outcomes.
type Counts struct {
	Applied int `json:"applied"`
	Noop    int `json:"noop"`
	Held    int `json:"held"`
	Denied  int `json:"denied"`
	Failed  int `json:"failed"`
}

// Refusal tells why a request was refused as a whole.
type Refusal struct {
	Verdict  workspace.Verdict
	Rule     string
	Reason   string
	Remedy   string
	Ref      string
	PlanHash string
	Kind     RefusalKind
}

// RefusalKind tells an edge how to answer a refusal.
type RefusalKind uint8

// The kinds of refusal.
const (
	RefusedDenied   RefusalKind = iota // not allowed
	RefusedHeld                        // must wait for a person
	RefusedConflict                    // collides with somebody else's record (I6, taken number)
	RefusedInvalid                     // names something that does not exist
)
