package ldap

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// The ways of reading changes.
const (
	modeSyncrepl  = "syncrepl"
	modeUSN       = "usn"
	modeDirSync   = "dirsync"
	modeEntryUSN  = "entryusn"
	modeTimestamp = "timestamp"
	modeNone      = "none"
)

// overlap is how far a timestamp delta reaches back: server clocks are coarse
// and replicas late (LD5).
const overlap = 5 * time.Minute

// mark reads the tell-tale: one read of one entry that changes whenever
// anything does. "" when this server or account has none.
func (r *reader) mark(ctx context.Context) (string, error) {
	switch {
	case r.plan.flavor == OpenLDAP:
		csn, err := r.contextCSN(ctx)
		return strings.Join(csn, ";"), err
	case r.plan.flavor == AD:
		usn, err := r.counter(ctx, "highestCommittedUSN")
		if err != nil {
			return "", err
		}
		return strconv.FormatInt(usn, 10) + "@" + r.l.root.server, nil
	case len(r.l.root.lastUSN) > 0:
		all, err := r.entryCounters(ctx)
		if err != nil {
			return "", err
		}
		return entryMark(all) + "@" + r.l.root.server, nil
	}
	return "", nil
}

// contextCSN reads all values of the suffix, one per server that writes.
func (r *reader) contextCSN(ctx context.Context) ([]string, error) {
	e, err := r.l.base(ctx, r.l.root.suffix, "(objectClass=*)", []string{"contextCSN"})
	if _, answered := code(err); answered {
		return nil, nil // may not be read: no tell-tale
	}
	if err != nil || e == nil {
		return nil, err
	}
	csn := slices.Clone(e.GetEqualFoldAttributeValues("contextCSN"))
	slices.Sort(csn)
	return csn, nil
}

// counter reads a number of the root DSE.
func (r *reader) counter(ctx context.Context, attr string) (int64, error) {
	e, err := r.l.base(ctx, "", "(objectClass=*)", []string{attr})
	if err != nil {
		return 0, readError("reading "+attr, err)
	}
	if e == nil {
		return 0, &sync.ScopeError{Need: "read " + attr + " of the root DSE"}
	}
	n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(attr), 10, 64)
	if err != nil {
		return 0, &sync.ScopeError{Need: "read " + attr + " of the root DSE"}
	}
	return n, nil
}

// mode settles how this server's changes are read (LD1 to LD5).
func (r *reader) mode(mark string) (string, error) {
	f, want := r.plan.flavor, r.cfg.Delta
	fits := map[string]bool{
		modeSyncrepl: f == OpenLDAP && r.l.root.supports(oidSync), modeUSN: f == AD,
		modeDirSync: f == AD && r.l.root.supports(oidDirSync), modeEntryUSN: len(r.l.root.lastUSN) > 0,
		modeTimestamp: true, modeNone: true,
	}
	if want != "auto" {
		if !fits[want] {
			return "", fmt.Errorf("delta: %s is not to be had from this server (%s); write auto", want, f)
		}
		if want == modeSyncrepl && mark == "" {
			return "", &sync.ScopeError{Need: "read contextCSN of " + r.l.root.suffix}
		}
		return want, nil
	}
	switch {
	case f == AD:
		return modeUSN, nil
	case f == DS389 && fits[modeEntryUSN]:
		return modeEntryUSN, nil
	case fits[modeSyncrepl] && mark != "":
		return modeSyncrepl, nil
	}
	return modeTimestamp, nil
}

// watermark is the position from which the next Delta must read, taken before
// anything is read (CU4).
func (r *reader) watermark(ctx context.Context) (position, error) {
	mark, err := r.mark(ctx)
	if err != nil {
		return position{}, err
	}
	at := position{Server: r.l.root.server, Tenant: r.l.root.tenant, Mark: mark}
	if at.Mode, err = r.mode(mark); err != nil {
		return position{}, err
	}
	switch at.Mode {
	case modeSyncrepl:
		// A cookie is what a consumer with this state would hold (RFC 4533
		// leaves its form to the server; this is OpenLDAP's).
		at.Cookie = []byte("rid=000,csn=" + mark)
	case modeUSN:
		number, _, _ := strings.Cut(mark, "@")
		if at.USN, err = strconv.ParseInt(number, 10, 64); err != nil {
			return position{}, &sync.ScopeError{Need: "read the server's change counter"}
		}
	case modeEntryUSN:
		if at.USN, err = r.ownCounter(ctx, noUSN); err != nil {
			return position{}, err
		}
	case modeDirSync:
		if at.Cookie, err = r.dirSyncStart(ctx); err != nil {
			return position{}, err
		}
	case modeTimestamp:
		if at.Time, err = r.serverTime(ctx, mark); err != nil {
			return position{}, err
		}
	}
	return at, nil
}

// serverTime gives the server's own clock where it shows one; "" elsewhere.
func (r *reader) serverTime(ctx context.Context, mark string) (string, error) {
	switch r.plan.flavor {
	case AD:
		e, err := r.l.base(ctx, "", "(objectClass=*)", []string{"currentTime"})
		if err != nil || e == nil {
			return "", readError("reading currentTime", err)
		}
		at, err := parseTime(e.GetEqualFoldAttributeValue("currentTime"))
		if err != nil {
			return "", nil // the largest value seen serves instead
		}
		return at.Format(time.RFC3339), nil
	case OpenLDAP:
		var latest time.Time
		for csn := range strings.SplitSeq(mark, ";") {
			stamp, _, _ := strings.Cut(csn, "#")
			if at, err := parseTime(stamp); err == nil && at.After(latest) {
				latest = at
			}
		}
		if !latest.IsZero() {
			return latest.Format(time.RFC3339), nil
		}
	}
	return "", nil
}

// latest moves a timestamp position to the largest time of change seen, less
// the time that reading took: what changed behind the reader's back is not
// older than that. Our clock serves for the length only (LD5).
func (p *position) latest(seen time.Time, took time.Duration) {
	if p.Mode != modeTimestamp || p.Time != "" || seen.IsZero() {
		return
	}
	p.Time = seen.Add(-took).UTC().Format(time.RFC3339)
}
