package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Source is a directory that is polled. It reports facts; only the engine
// concludes what they mean (EV1). One Full or Delta runs at a time; Get and
// Check may run beside it, on connections of their own (SO1).
type Source interface {
	// Describe tells what the source can do; it does no input or output.
	Describe() Info
	// Check tests the connection: credentials, rights, counts. It writes
	// nothing and says what will be invisible (SO6).
	Check(ctx context.Context) (Probe, error)
	// Full reads everything into the sink. A cursor that is not zero resumes
	// a broken run. Without Sink.Done the read was not whole.
	Full(ctx context.Context, from Cursor, sink Sink) (Cursor, error)
	// Delta reads what changed since the cursor; ErrCursorGone asks for Full.
	Delta(ctx context.Context, from Cursor, sink Sink) (Cursor, error)
	// Get is the confirming read of one immutable id: ErrAbsent, ErrDeleted.
	Get(ctx context.Context, id string) (workspace.Identity, error)
}

// Capability is a set of things a source can do.
type Capability uint16

// The capabilities of a source.
const (
	CapDelta Capability = 1 << iota
	CapTombstones
	CapTargeted
	CapGroups
	CapNestedGroups
	CapDisabledFlag
	CapSignals
)

// Info describes a source. CursorV is the version of its cursors' data.
type Info struct {
	Kind        string
	Caps        Capability
	MinInterval time.Duration
	CursorV     int
}

// Right is one right that the source's account needs. Remedy says how to give
// it, where it lacks.
type Right struct {
	Need     string
	Granted  bool
	Optional bool // reads are safe without it, but see less
	Why      string
	Remedy   string
}

// Probe is what "test connection" found.
type Probe struct {
	Server, Tenant string
	People, Groups int
	Rights         []Right
	Warnings       []string
}

// Sink takes what a source reads. Its methods may block.
type Sink interface {
	// Page stages a page, which is the sink's from then on; resume restarts after
	// it. Its error, which may be that of the page before, is returned unchanged
	// by the source.
	Page(ctx context.Context, p Page, resume Cursor) error
	// Done is called once, last, and only after a whole read.
	Done(ctx context.Context, p Proof) error
}

// Page is a piece of a read: at most 1,000 people or 1 MiB (SO4).
type Page struct {
	// Identities are whole entries: what they lack is stated empty by the
	// rules of the source. Those listed in Partial carry changed attributes
	// only; their Active counts only if they state the attribute `active`.
	Identities []workspace.Identity
	Partial    map[string]bool // by ExternalID
	// Ended is when the source says that people of this page who are not active
	// were ended, by ExternalID (T0). Those whom it says nothing about are not in
	// it.
	Ended   map[string]time.Time
	Groups  []workspace.DirectoryGroup
	Members []Members
	Present []string // ids only: a sweep, or syncrepl's present phase
	Gone    []Gone
}

// Members states members of one group. A large group comes in pieces, over
// several pages. Complete stands on the last piece: what the pieces of this
// run added is then the whole list.
type Members struct {
	Group       string // ExternalID of the group
	Add, Remove []MemberRef
	Complete    bool
}

// MemberRef names a member by immutable id, or by DN, which is resolved by
// this run and then by the store.
type MemberRef struct {
	ID   string
	DN   string
	Kind string // user, group, or "" when the source does not say
}

// Gone states that an entry is no longer there for us.
type Gone struct {
	ID  string
	Why string // deleted (a tombstone or the protocol says so) or left
	At  time.Time
}

// Proof is what shows that a read was whole (RD1 to RD9).
type Proof struct {
	Server, EndMark       string
	Pages, People, Groups int
	SentinelSeen          bool
	Since                 time.Time
}

// Cursor is a source's watermark. The zero cursor means "nothing read yet".
// Scope is the hash of base, filters, attributes and pinned server (CU3).
type Cursor struct {
	Kind  string
	V     int
	Scope string
	Data  []byte
	At    time.Time
}

// Zero reports whether nothing has been read yet.
func (c Cursor) Zero() bool { return c.Kind == "" && len(c.Data) == 0 }

// Errors of a source; whatever is not listed is trouble (E4) and changes
// nothing.
var (
	ErrCursorGone     = errors.New("cursor gone: a full read is needed")
	ErrAuth           = errors.New("the directory refused the credentials")
	ErrTenantMismatch = errors.New("another directory answered than the pinned one")
	ErrAbsent         = errors.New("no such entry")
	ErrDeleted        = errors.New("entry deleted")
)

// ThrottledError asks the engine to wait; it is not a failed run.
type ThrottledError struct {
	Until  time.Time
	Source string
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("%s throttles until %s", e.Source, e.Until.UTC().Format(time.RFC3339))
}

// ScopeError names a right that the source's account lacks.
type ScopeError struct{ Need string }

func (e *ScopeError) Error() string { return "missing right: " + e.Need }

// IncompleteError says that what came may be used to add and update, but nothing may
// be concluded from what did not come.
type IncompleteError struct{ Why string }

func (e *IncompleteError) Error() string { return "incomplete read: " + e.Why }

// TellTaler is a Source that can tell cheaply that nothing has changed.
type TellTaler interface {
	// TellTale reads the mark of the directory's state: equal marks mean that
	// nothing has changed. A lost right moves no mark; a sweep notices that.
	// "" is no mark: nobody knows.
	TellTale(ctx context.Context) (mark string, err error)
}

// Sweeper is a Source that can list the ids of everybody in scope cheaply:
// Page with Present only, and Done when the list was whole. It takes no
// cursor and gives none.
type Sweeper interface {
	Sweep(ctx context.Context, sink Sink) error
}
