package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/ldaptest/script"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// actor is a scripted server over a small directory.
type actor struct {
	*script.Server
	dir *script.Directory
}

// uuidOf is the id of the n-th person.
func uuidOf(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(strconv.Itoa(n))) }

// fakeOpenLDAP looks like OpenLDAP with n people; trouble answers first and
// says whether it did.
func fakeOpenLDAP(t *testing.T, n int, trouble func(d *script.Directory, c *script.Conn, r *script.Request) bool) *actor {
	t.Helper()
	d := &script.Directory{Root: map[string][]string{
		"objectClass": {"top", "OpenLDAProotDSE"}, "namingContexts": {"dc=acme,dc=com"}, "supportedControl": {oidPaging, oidSync},
	}}
	d.Entries = append(d.Entries,
		script.Entry{DN: "dc=acme,dc=com", Attrs: map[string][]string{
			"objectClass": {"domain"}, "entryUUID": {uuidOf(-1).String()}, "contextCSN": {"20260101000000.000000Z#000000#000#000000"},
		}},
		script.Entry{DN: "ou=people,dc=acme,dc=com", Attrs: map[string][]string{"objectClass": {"organizationalUnit"}}},
		script.Entry{DN: "ou=groups,dc=acme,dc=com", Attrs: map[string][]string{"objectClass": {"organizationalUnit"}}},
	)
	for i := range n {
		uid := fmt.Sprintf("p%02d", i)
		d.Entries = append(d.Entries, script.Entry{DN: "uid=" + uid + ",ou=people,dc=acme,dc=com", Attrs: map[string][]string{
			"objectClass": {"inetOrgPerson"}, "uid": {uid}, "mail": {uid + "@acme.com"}, "entryUUID": {uuidOf(i).String()},
		}})
	}
	return newActor(t, d, trouble)
}

func newActor(t *testing.T, d *script.Directory, trouble func(d *script.Directory, c *script.Conn, r *script.Request) bool) *actor {
	t.Helper()
	return &actor{dir: d, Server: script.Start(t, func(c *script.Conn, r *script.Request) {
		if trouble == nil || !trouble(d, c, r) {
			d.Answer(c, r)
		}
	})}
}

func (a *actor) config(t *testing.T) Config {
	return Config{
		URL: URLs{a.URL()}, BindDN: "cn=rollcall,dc=acme,dc=com", BindPassword: secretFile(t, "secret"),
		People: Branch{Base: "ou=people,dc=acme,dc=com"}, Groups: Branch{Base: "ou=groups,dc=acme,dc=com"}, PageSize: 3,
		Timeouts: Timeouts{Dial: time.Second, Bind: 400 * time.Millisecond, Idle: 400 * time.Millisecond, Page: time.Second},
	}
}

// people tells whether a request is one for a page of people.
func people(r *script.Request) bool {
	return r.Scope == goldap.ScopeWholeSubtree && strings.HasPrefix(r.Base, "ou=people") && slices.Contains(r.Attrs, "mail")
}

// trouble is what a server does at the second page of people.
var troubles = map[string]struct {
	do         func(c *script.Conn, r *script.Request)
	incomplete bool
	why        string // part of the cause
}{
	"cut before the page": {do: func(c *script.Conn, _ *script.Request) { c.Cut() }},
	"cut mid-page": {do: func(c *script.Conn, r *script.Request) {
		c.Entry(r, "uid=p03,ou=people,dc=acme,dc=com", map[string][]string{"entryUUID": {uuidOf(3).String()}})
		c.Cut()
	}},
	"reset mid-page": {do: func(c *script.Conn, r *script.Request) {
		c.Entry(r, "uid=p03,ou=people,dc=acme,dc=com", map[string][]string{"entryUUID": {uuidOf(3).String()}})
		c.Reset()
	}},
	"stall before the page": {do: func(c *script.Conn, _ *script.Request) { c.Stall() }},
	"stall mid-page": {do: func(c *script.Conn, r *script.Request) {
		c.Entry(r, "uid=p03,ou=people,dc=acme,dc=com", map[string][]string{"entryUUID": {uuidOf(3).String()}})
		c.Stall()
	}},
	"drip": {do: func(c *script.Conn, r *script.Request) {
		for i := range 30 {
			c.Entry(r, "uid=drip,ou=people,dc=acme,dc=com", map[string][]string{"entryUUID": {uuidOf(1000 + i).String()}})
			time.Sleep(100 * time.Millisecond)
		}
	}},
	"size limit":           {do: func(c *script.Conn, r *script.Request) { c.Done(r, goldap.LDAPResultSizeLimitExceeded) }, incomplete: true},
	"admin limit":          {do: func(c *script.Conn, r *script.Request) { c.Done(r, goldap.LDAPResultAdminLimitExceeded) }, incomplete: true},
	"time limit":           {do: func(c *script.Conn, r *script.Request) { c.Done(r, goldap.LDAPResultTimeLimitExceeded) }, incomplete: true},
	"referral-only answer": {do: func(c *script.Conn, r *script.Request) { c.Done(r, goldap.LDAPResultReferral) }, incomplete: true},
	"no such object":       {do: func(c *script.Conn, r *script.Request) { c.Done(r, goldap.LDAPResultNoSuchObject) }, incomplete: true},
	"unwilling":            {do: func(c *script.Conn, r *script.Request) { c.Done(r, goldap.LDAPResultUnwillingToPerform) }},
	"busy":                 {do: func(c *script.Conn, r *script.Request) { c.Done(r, goldap.LDAPResultBusy) }},
	"no end mark":          {do: func(c *script.Conn, r *script.Request) { c.Done(r, 0) }, incomplete: true, why: "RD1"},
	"cycling cookie": {do: func(c *script.Conn, r *script.Request) {
		for i := range 3 {
			c.Entry(r, fmt.Sprintf("uid=p%02d,ou=people,dc=acme,dc=com", i), map[string][]string{"entryUUID": {uuidOf(i).String()}})
		}
		c.Done(r, 0, script.Paging("3"))
	}, incomplete: true, why: "same page"},
	"entry without an id": {do: func(c *script.Conn, r *script.Request) {
		c.Entry(r, "uid=p03,ou=people,dc=acme,dc=com", map[string][]string{"uid": {"p03"}})
		c.Done(r, 0, script.Paging(""))
	}, incomplete: true},
	"unreadable name": {do: func(c *script.Conn, r *script.Request) {
		c.Entry(r, "no name at all", map[string][]string{"entryUUID": {uuidOf(3).String()}})
		c.Done(r, 0, script.Paging(""))
	}, incomplete: true},
}

// FT03: whatever happens in the middle, the read is not proved whole, ends in
// time with its cause, and the next one works.
func TestTroubleMidRead(t *testing.T) {
	t.Parallel()
	for name, tr := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu stdsync.Mutex
			on := true
			a := fakeOpenLDAP(t, 8, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
				mu.Lock()
				active := on
				mu.Unlock()
				if !active || !people(r) || r.Cookie != "3" {
					return false
				}
				tr.do(c, r)
				return true
			})
			s := newSource(t, a.config(t), Options{})
			c := &sourcetest.Collector{}
			began := time.Now()
			cursor, err := s.Full(ctxFor(t), sync.Cursor{}, c)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
			if err == nil || len(c.Proofs()) != 0 || !cursor.Zero() {
				t.Fatalf("error %v, proofs %v, cursor %v", err, c.Proofs(), cursor)
			}
			var incomplete *sync.IncompleteError
			if errors.As(err, &incomplete) != tr.incomplete {
				t.Errorf("error %v: incomplete is %v, want %v", err, !tr.incomplete, tr.incomplete)
			}
			if !strings.Contains(err.Error(), tr.why) {
				t.Errorf("error %v does not name its cause, %q", err, tr.why)
			}
			mu.Lock()
			on = false
			mu.Unlock()
			c, _ = full(t, s)
			if len(c.People()) != 8 || !c.Whole() {
				t.Errorf("the next read finds %d people", len(c.People()))
			}
		})
	}
}

// LP6: success with nothing in it is not "nobody".
func TestEmptySuccess(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 8, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
		if strings.HasPrefix(r.Base, "ou=people") && r.Scope == goldap.ScopeWholeSubtree {
			c.Done(r, 0, script.Paging(""))
			return true
		}
		return false
	})
	s := newSource(t, a.config(t), Options{})
	c := &sourcetest.Collector{}
	_, err := s.Full(ctxFor(t), sync.Cursor{}, c)
	if err == nil || len(c.Proofs()) != 0 {
		t.Errorf("Full: %v, %v", err, c.Proofs())
	}
	if err := s.Sweep(ctxFor(t), c); err == nil || len(c.Proofs()) != 0 {
		t.Errorf("Sweep: %v, %v", err, c.Proofs())
	}
}

// LC5, QU3: a bind that hangs or is refused.
func TestBindTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code int64
		auth bool
	}{
		"hung": {-1, false}, "wrong password": {49, true}, "unwilling": {53, true}, "no such name": {32, true}, "wants TLS": {13, false}, "busy": {51, false},
	} {
		a := fakeOpenLDAP(t, 1, nil)
		a.OnBind = func(*script.Conn, string, string) int64 { return c.code }
		s := newSource(t, a.config(t), Options{})
		began := time.Now()
		_, err := s.Full(ctxFor(t), sync.Cursor{}, &sourcetest.Collector{})
		if err == nil || errors.Is(err, sync.ErrAuth) != c.auth || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(began))
		}
	}
}

// LC2, LC6: a cancelled stream is an error within a second, even one that
// stalls, and the connection is not used again.
func TestCancelDuringStall(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 8, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
		if people(r) && r.Cookie == "3" {
			c.Entry(r, "uid=p03,ou=people,dc=acme,dc=com", map[string][]string{"entryUUID": {uuidOf(3).String()}})
			c.Stall()
			return true
		}
		return false
	})
	cfg := a.config(t)
	cfg.Timeouts = Timeouts{}
	s := newSource(t, cfg, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c := &sourcetest.Collector{}
	began := time.Now()
	_, err := s.Full(ctx, sync.Cursor{}, c)
	if !errors.Is(err, context.DeadlineExceeded) || len(c.Proofs()) != 0 || time.Since(began) > 1300*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// LP8: references are counted, and no connection goes where they point.
func TestReferencesAreNotFollowed(t *testing.T) {
	t.Parallel()
	trap := script.Start(t, func(*script.Conn, *script.Request) { t.Error("a reference was followed") })
	trap.OnBind = func(*script.Conn, string, string) int64 { t.Error("the password was handed over"); return 0 }
	a := fakeOpenLDAP(t, 4, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
		if people(r) {
			c.Reference(r, trap.URL()+"/ou=people,dc=acme,dc=com")
		}
		return false
	})
	s := newSource(t, a.config(t), Options{})
	c, _ := full(t, s)
	if len(c.People()) != 4 {
		t.Errorf("%d people", len(c.People()))
	}
	if n := s.Traffic().Referrals; n == 0 {
		t.Error("no reference was counted")
	}
}

// LC3: every request is a new one; a cookie is never sent with a first page.
func TestRequestsAreFresh(t *testing.T) {
	t.Parallel()
	var mu stdsync.Mutex
	first := 0
	a := fakeOpenLDAP(t, 8, func(_ *script.Directory, _ *script.Conn, r *script.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if people(r) && r.Cookie == "" {
			first++
		}
		return false
	})
	s := newSource(t, a.config(t), Options{})
	for range 3 {
		if c, _ := full(t, s); len(c.People()) != 8 {
			t.Errorf("%d people", len(c.People()))
		}
	}
	if first != 3 {
		t.Errorf("%d first pages, want 3", first)
	}
}

// LP1 to LP4: what a scripted syncrepl says.
func TestSyncreplAnswers(t *testing.T) {
	t.Parallel()
	id := func(n int) string { u := uuidOf(n); return string(u[:]) }
	for name, c := range map[string]struct {
		answer  func(c *script.Conn, r *script.Request)
		present int
		gone    int
		err     error
		partial bool
		cookie  string
	}{
		"LP1 empty cookie": {answer: func(c *script.Conn, r *script.Request) { c.Done(r, 0, script.SyncDone("", true)) }, cookie: "csn=20260101"},
		"new cookie":       {answer: func(c *script.Conn, r *script.Request) { c.Done(r, 0, script.SyncDone("next", true)) }, cookie: "next"},
		"LP2 id set": {answer: func(c *script.Conn, r *script.Request) {
			c.Info(r, script.IDSet(true, id(1), id(2), id(99)))
			c.Done(r, 0, script.SyncDone("next", true))
		}, gone: 3, cookie: "next"},
		"LP3 present phase": {answer: func(c *script.Conn, r *script.Request) {
			c.Info(r, script.IDSet(false, id(1), id(2)))
			c.Done(r, 0, script.SyncDone("next", false))
		}, present: 2, cookie: "next"},
		"LP3 present phase without rights": {answer: func(c *script.Conn, r *script.Request) { c.Done(r, 0, script.SyncDone("next", false)) }, cookie: "next"},
		"LP4 cookie from the future":       {answer: func(c *script.Conn, r *script.Request) { c.Done(r, 53) }, err: sync.ErrCursorGone},
		"refresh required":                 {answer: func(c *script.Conn, r *script.Request) { c.Done(r, 4096) }, err: sync.ErrCursorGone},
		"LD1 not supported": {answer: func(c *script.Conn, r *script.Request) {
			c.Entry(r, "uid=p00,ou=people,dc=acme,dc=com", map[string][]string{"entryUUID": {uuidOf(0).String()}})
			c.Done(r, 0)
		}, partial: true},
		"no SyncDone": {answer: func(c *script.Conn, r *script.Request) { c.Done(r, 0) }, partial: true},
	} {
		a := fakeOpenLDAP(t, 4, func(_ *script.Directory, conn *script.Conn, r *script.Request) bool {
			if r.Sync {
				c.answer(conn, r)
			}
			return r.Sync
		})
		s := newSource(t, a.config(t), Options{})
		_, cursor := full(t, s)
		d := &sourcetest.Collector{}
		next, err := s.Delta(ctxFor(t), cursor, d)
		var incomplete *sync.IncompleteError
		switch {
		case c.err != nil:
			if !errors.Is(err, c.err) {
				t.Errorf("%s: %v, want %v", name, err, c.err)
			}
			continue
		case c.partial:
			if !errors.As(err, &incomplete) {
				t.Errorf("%s: %v, want IncompleteError", name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := readPosition(next, next.Scope)
		if err != nil || !strings.Contains(string(p.Cookie), c.cookie) || len(d.Present()) != c.present || len(d.Gone()) != c.gone {
			t.Errorf("%s: cookie %q, present %v, gone %v, %v", name, p.Cookie, d.Present(), d.Gone(), err)
		}
		for _, g := range d.Gone() {
			if g.Why != "left" {
				t.Errorf("LP2: %s: an id set says deleted: %+v", name, g)
			}
		}
	}
}

// CU1, LD2: another server behind the same configuration asks for a Full.
func TestAnotherServer(t *testing.T) {
	t.Parallel()
	a, b := fakeOpenLDAP(t, 4, nil), fakeOpenLDAP(t, 4, nil)
	cfg := a.config(t)
	s := newSource(t, cfg, Options{})
	_, cursor := full(t, s)
	cfg.URL = URLs{b.URL()}
	if _, err := newSource(t, cfg, Options{}).Delta(ctxFor(t), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("%v, want ErrCursorGone", err)
	}
	// The list is tried in order, beginning with the one of last time.
	cfg.URL = URLs{"ldap://127.0.0.1:1", a.URL()}
	if c, _ := full(t, newSource(t, cfg, Options{})); len(c.People()) != 4 {
		t.Error("the second server was not tried")
	}
	// CU3: a changed filter is another scope.
	cfg = a.config(t)
	cfg.People.Filter = "(objectClass=inetOrgPerson )"
	if _, err := newSource(t, cfg, Options{}).Delta(ctxFor(t), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrCursorGone) {
		t.Errorf("CU3: %v, want ErrCursorGone", err)
	}
}

// RD8: the same name, another directory.
func TestAnotherDirectory(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 4, nil)
	s := newSource(t, a.config(t), Options{})
	_, cursor := full(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	a.dir.Entries[0].Attrs["entryUUID"] = []string{uuidOf(-2).String()}
	if _, err := s.Delta(ctxFor(t), cursor, &sourcetest.Collector{}); !errors.Is(err, sync.ErrTenantMismatch) {
		t.Errorf("%v, want ErrTenantMismatch", err)
	}
}

// RD9: a list without end ends the run; every page has somebody new in it.
func TestEndlessList(t *testing.T) {
	t.Parallel()
	a := fakeOpenLDAP(t, 1, func(_ *script.Directory, c *script.Conn, r *script.Request) bool {
		if !people(r) {
			return false
		}
		n := 1
		if r.Cookie != "" {
			var err error
			if n, err = strconv.Atoi(r.Cookie); err != nil {
				t.Error(err)
			}
		}
		c.Entry(r, fmt.Sprintf("uid=e%d,ou=people,dc=acme,dc=com", n), map[string][]string{"entryUUID": {uuidOf(n).String()}})
		c.Done(r, 0, script.Paging(strconv.Itoa(n+1)))
		return true
	})
	c := &sourcetest.Collector{}
	_, err := newSource(t, a.config(t), Options{}).Full(ctxFor(t), sync.Cursor{}, c)
	var incomplete *sync.IncompleteError
	if !errors.As(err, &incomplete) || !strings.Contains(err.Error(), "page_size") || len(c.Proofs()) != 0 {
		t.Errorf("%v after %d people", err, len(c.People()))
	}
}
