package ldap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// settleTime is how long size and time of a dump must have stood still.
const settleTime = 2 * time.Second

// stamp is what tells one state of a file from another.
func stamp(info os.FileInfo) string {
	return strconv.FormatInt(info.Size(), 10) + "@" + strconv.FormatInt(info.ModTime().UnixNano(), 10)
}

// dump is an LDIF file under reading (LM13).
type dump struct {
	*reader
	path     string
	mark     string
	hash     string // of the whole file, once it was read to its end
	verified bool   // FILE.sha256 says the same
	people   matcher
	groups   matcher
	base     dn.Name
	groupsAt dn.Name
}

func (s *Source) path() string { return strings.TrimPrefix(s.cfg.URL[0], "file:") }

// openDump prepares the reading of a file. The flavour of a dump is told by
// the id attribute of its entries; OpenLDAP's unless configured.
func (s *Source) openDump() (*dump, error) {
	flavor := OpenLDAP
	switch newIDKind(s.cfg.IDAttribute).form {
	case idGUID:
		flavor = AD
	case idUniqueID:
		flavor = DS389
	}
	d := &dump{reader: &reader{Source: s, plan: newPlan(&s.cfg, flavor), observed: workspace.At(s.now())}, path: s.path()}
	var err error
	if d.people, err = newMatcher(d.plan.people); err != nil {
		return nil, fmt.Errorf("people.filter: %w", err)
	}
	if d.groups, err = newMatcher(d.plan.groups); err != nil {
		return nil, fmt.Errorf("groups.filter: %w", err)
	}
	if d.base, err = dn.Parse(s.cfg.People.Base); err != nil {
		return nil, err
	}
	d.groupsAt, err = dn.Parse(s.cfg.Groups.Base)
	return d, err
}

// stat looks at the file. What it cannot say is the fault of url.
func (d *dump) stat() (os.FileInfo, error) {
	info, err := os.Stat(d.path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(d.path + " is no regular file")
	}
	if err != nil {
		return nil, fmt.Errorf("url: %w: write file:/PATH of an LDIF dump that this user may read", err)
	}
	return info, nil
}

// settle waits until the file has stood still.
func (d *dump) settle(ctx context.Context) error {
	for {
		info, err := d.stat()
		if err != nil {
			return err
		}
		d.mark = stamp(info)
		wait := settleTime - d.now().Sub(info.ModTime())
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(min(wait, settleTime))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// each reads every entry, then checks that the file is the one that reading
// began with, and works out whether it is verified.
func (d *dump) each(ctx context.Context, take func(*goldap.Entry) error) (err error) {
	f, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("url: %w: let this user read it", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	in := newLDIFReader(io.TeeReader(f, sum))
	for n := 0; ; n++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if n > maxEntries {
			return &sync.IncompleteError{Why: fmt.Sprintf("the dump has more than %d entries (RD9)", maxEntries)}
		}
		e, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := take(e); err != nil {
			return err
		}
	}
	info, err := d.stat()
	if err != nil {
		return err
	}
	if stamp(info) != d.mark {
		return &sync.IncompleteError{Why: "the dump changed while it was read"}
	}
	d.hash = hex.EncodeToString(sum.Sum(nil))
	return d.verify()
}

// verify compares with FILE.sha256. A checksum that differs is a dump cut off
// on its way.
func (d *dump) verify() error {
	text, err := os.ReadFile(d.path + ".sha256")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	want, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !strings.EqualFold(want, d.hash) {
		return &sync.IncompleteError{Why: "the dump does not have the checksum in " + d.path + ".sha256: it was cut off on its way, or the checksum is an older one's"}
	}
	d.verified = true
	return nil
}

// person reports whether an entry is a person in scope.
func (d *dump) isPerson(e *goldap.Entry) (bool, error) {
	name, err := dn.Parse(e.DN)
	if err != nil {
		return false, &sync.IncompleteError{Why: "the dump has an entry whose name cannot be read: " + e.DN}
	}
	return name.Under(d.base) && d.people.matches(e), nil
}

func (d *dump) isGroup(e *goldap.Entry) bool {
	name, err := dn.Parse(e.DN)
	return err == nil && d.cfg.Groups.Base != "" && name.Under(d.groupsAt) && d.groups.matches(e)
}

// fullDump reads the file twice, people first: a page never holds more than
// its limits.
func (s *Source) fullDump(ctx context.Context, from sync.Cursor, sink sync.Sink) (sync.Cursor, error) {
	d, err := s.openDump()
	if err != nil {
		return sync.Cursor{}, err
	}
	began := d.now()
	if err := d.settle(ctx); err != nil {
		return sync.Cursor{}, err
	}
	scope := d.plan.scope(&d.cfg)
	last, lastErr := readPosition(from, scope)
	at := position{Server: d.path, Mode: modeNone, Mark: d.mark, Since: began}
	partial := at
	partial.Stage = stagePeople
	resume := partial.cursor(scope, began)
	p := &peopleRead{reader: d.reader, sink: sink, resume: resume, seen: idSet{}}
	sentinel, err := dn.Key(s.cfg.Sentinel)
	if err != nil {
		return sync.Cursor{}, err
	}
	g := &groupRead{reader: d.reader, sink: sink, resume: resume, seen: idSet{}, rids: map[string]string{}}
	err = d.each(ctx, func(e *goldap.Entry) error {
		person, err := d.isPerson(e)
		if err != nil || !person {
			return err
		}
		_, err = p.entry(ctx, e, sentinel)
		return err
	})
	if err == nil {
		err = p.flush(ctx)
	}
	if err != nil {
		return sync.Cursor{}, err
	}
	people := d.hash
	err = d.each(ctx, func(e *goldap.Entry) error {
		if !d.isGroup(e) {
			return nil
		}
		_, err := g.entry(ctx, e)
		return err
	})
	if err == nil {
		err = g.flush(ctx)
	}
	switch {
	case err != nil:
		return sync.Cursor{}, err
	case p.hidden > 0:
		return sync.Cursor{}, &sync.IncompleteError{Why: fmt.Sprintf("%d people of the dump have no %s", p.hidden, d.plan.disabledAttr)}
	case people != d.hash:
		return sync.Cursor{}, &sync.IncompleteError{Why: "the dump changed while it was read"}
	case len(p.seen) == 0:
		return sync.Cursor{}, &sync.IncompleteError{Why: "nobody was found in the dump: check people.base and people.filter"}
	case s.cfg.Sentinel != "" && !p.sentinel:
		return sync.Cursor{}, &sync.IncompleteError{Why: "the sentinel " + s.cfg.Sentinel + " is not in the dump (RD5)"}
	}
	if err := d.twice(last, lastErr == nil); err != nil {
		return sync.Cursor{}, err
	}
	at.Cookie = []byte(d.hash)
	err = sink.Done(ctx, sync.Proof{
		Server: d.path, EndMark: "sha256:" + d.hash, Pages: 1, People: len(p.seen), Groups: g.count, SentinelSeen: p.sentinel, Since: began,
	})
	if err != nil {
		return sync.Cursor{}, err
	}
	return at.cursor(scope, began), nil
}

// twice refuses to count one unverified dump as two whole reads: without a
// checksum absence needs two different dumps in a row.
func (d *dump) twice(last position, have bool) error {
	if d.verified {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dump == d.hash || have && string(last.Cookie) == d.hash {
		return &sync.IncompleteError{Why: "this is the dump of last time, and there is no " + d.path + ".sha256 to vouch for it"}
	}
	d.dump = d.hash
	return nil
}

// deltaDump has nothing to offer but "the same file"; another one is read
// whole.
func (s *Source) deltaDump(from sync.Cursor) (sync.Cursor, error) {
	d, err := s.openDump()
	if err != nil {
		return sync.Cursor{}, err
	}
	at, err := readPosition(from, d.plan.scope(&d.cfg))
	if err != nil {
		return sync.Cursor{}, err
	}
	info, err := d.stat()
	if err != nil {
		return sync.Cursor{}, err
	}
	if at.Mark != stamp(info) || at.Stage != "" {
		return sync.Cursor{}, fmt.Errorf("%w: the dump is another one", sync.ErrCursorGone)
	}
	return from, nil
}

func (s *Source) sweepDump(ctx context.Context, sink sync.Sink) error {
	d, err := s.openDump()
	if err != nil {
		return err
	}
	began := d.now()
	if err := d.settle(ctx); err != nil {
		return err
	}
	seen := idSet{}
	var out []string
	met := false
	sentinel, err := dn.Key(s.cfg.Sentinel)
	if err != nil {
		return err
	}
	err = d.each(ctx, func(e *goldap.Entry) error {
		person, err := d.isPerson(e)
		if err != nil || !person {
			return err
		}
		id, err := d.bare(e)
		if err != nil {
			return &sync.IncompleteError{Why: e.DN + " has no readable " + d.plan.id.attr}
		}
		met = met || sentinel != "" && id.DN == sentinel
		if seen.add(id.ExternalID) {
			out = append(out, id.ExternalID)
		}
		if len(out) < pagePresent {
			return nil
		}
		page := sync.Page{Present: out}
		out = nil
		return sink.Page(ctx, page, sync.Cursor{})
	})
	if err == nil && len(out) > 0 {
		err = sink.Page(ctx, sync.Page{Present: out}, sync.Cursor{})
	}
	switch {
	case err != nil:
		return err
	case len(seen) == 0:
		return &sync.IncompleteError{Why: "nobody was found in the dump: check people.base and people.filter"}
	case !d.verified:
		return &sync.IncompleteError{Why: "there is no " + d.path + ".sha256 to vouch for the dump"}
	case sentinel != "" && !met:
		return &sync.IncompleteError{Why: "the sentinel " + s.cfg.Sentinel + " is not in the dump (RD5)"}
	}
	return sink.Done(ctx, sync.Proof{Server: d.path, EndMark: "sha256:" + d.hash, Pages: 1, People: len(seen), SentinelSeen: met, Since: began})
}

// getDump looks for one entry. A dump without a checksum confirms no absence.
func (s *Source) getDump(ctx context.Context, id string) (workspace.Identity, error) {
	d, err := s.openDump()
	if err != nil {
		return workspace.Identity{}, err
	}
	if err := d.settle(ctx); err != nil {
		return workspace.Identity{}, err
	}
	var found *goldap.Entry
	err = d.each(ctx, func(e *goldap.Entry) error {
		if got, err := d.plan.id.read(e.GetEqualFoldAttributeValues(d.plan.id.attr)); err == nil && got == id {
			found = e
		}
		return nil
	})
	switch {
	case err != nil:
		return workspace.Identity{}, err
	case found == nil && !d.verified:
		return workspace.Identity{}, &sync.IncompleteError{Why: "the dump does not hold " + id + ", and there is no checksum file to vouch for it"}
	case found == nil:
		return workspace.Identity{}, fmt.Errorf("%w: %s", sync.ErrAbsent, id)
	}
	who, _, err := d.person(found)
	if err != nil {
		return who, err
	}
	name, err := dn.Parse(found.DN)
	switch {
	case err != nil:
		return who, err
	case !name.Under(d.base):
		who.Active, who.Reason = false, "moved"
	case !d.people.matches(found):
		who.Active, who.Reason = false, "filtered"
	}
	return who, nil
}
