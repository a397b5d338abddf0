package sync

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// stage keeps what a run has read until the read has ended: nothing is
// applied from a run that failed (QU1). It holds only what differs from the
// store, in a file without a name, so that a first read of 100,000 people
// does not sit in memory; what is seen is remembered by id alone. A stage is
// used by one goroutine.
type stage struct {
	file   *os.File
	w      *bufio.Writer
	size   int64
	people []place          // in the order in which they were first named
	staged map[digest]int32 // immutable id -> people: last mention wins (CU1)
	groups map[string]place
	gorder []string
	seen   idSet     // immutable ids of people named by this read
	names  idsByName // canonical DNs of people and groups read
	// vacated are canonical DNs that known people gave up in this run.
	vacated map[string]bool
	gone    []stagedGone
	proof   *Proof
	resume  Cursor
	counts  stageCounts
}

// stagedGone is somebody of whom the protocol says that they are gone, as of
// the moment before the page was asked for (EV4).
type stagedGone struct {
	Gone
	seen workspace.Micros
}

// place is where a staged record lies in the file.
type place struct {
	at     int64
	n      int32
	leaver bool
	fresh  bool // nobody of this id was known when it was read
}

type stageCounts struct {
	pages, entries, unchanged, changed, fresh, groups, edges int
}

// newStage opens the file and unlinks it at once: personal data that a crash
// leaves behind is data that leaks.
func newStage() (*stage, error) {
	f, err := os.CreateTemp("", "rollcall-stage-*")
	if err != nil {
		return nil, fmt.Errorf("staging a read: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("staging a read: %w", err), f.Close())
	}
	return &stage{
		file: f, w: bufio.NewWriterSize(f, 64<<10), staged: map[digest]int32{}, groups: map[string]place{}, seen: idSet{},
		names: newIDsByName(), vacated: map[string]bool{},
	}, nil
}

func (s *stage) close() error { return s.file.Close() }

// put writes a record and returns its place.
func (s *stage) put(v any) (place, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return place{}, err
	}
	if _, err := s.w.Write(body); err != nil {
		return place{}, fmt.Errorf("staging a read: %w", err)
	}
	p := place{at: s.size, n: int32(len(body))}
	s.size += int64(len(body))
	return p, nil
}

// get reads a record back.
func (s *stage) get(p place, v any) error {
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("staging a read: %w", err)
	}
	body := make([]byte, p.n)
	if _, err := s.file.ReadAt(body, p.at); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("staging a read: %w", err)
	}
	return json.Unmarshal(body, v)
}

// person stages a person who differs from the store.
func (s *stage) person(i *stagedPerson, leaver, fresh bool) error {
	p, err := s.put(i)
	if err != nil {
		return err
	}
	p.leaver, p.fresh = leaver, fresh
	id := digestOf(i.Identity.ExternalID)
	if at, ok := s.staged[id]; ok {
		s.people[at] = p
		return nil
	}
	s.staged[id] = int32(len(s.people))
	s.people = append(s.people, p)
	return nil
}

// isStaged reports whether a person is staged.
func (s *stage) isStaged(id string) bool {
	_, ok := s.staged[digestOf(id)]
	return ok
}

// stagedPerson is a person with what the store knew of them when they were
// read.
type stagedPerson struct {
	Identity workspace.Identity
	Partial  bool
	Ended    time.Time // T0, zero if the source does not say
}

// stagedGroup is a group with the members that a read named, by reference.
type stagedGroup struct {
	Group    *workspace.DirectoryGroup
	ID       string
	Complete bool
	Add      []MemberRef
	Remove   []MemberRef
}

// group stages a group's record or members; several mentions are joined.
func (s *stage) group(g *stagedGroup) error {
	if old, ok := s.groups[g.ID]; ok {
		var had stagedGroup
		if err := s.get(old, &had); err != nil {
			return err
		}
		if g.Group == nil {
			g.Group = had.Group
		}
		g.Add, g.Remove = append(had.Add, g.Add...), append(had.Remove, g.Remove...)
		g.Complete = g.Complete || had.Complete
	} else {
		s.gorder = append(s.gorder, g.ID)
	}
	p, err := s.put(g)
	if err != nil {
		return err
	}
	s.groups[g.ID] = p
	return nil
}
