package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	stdsync "sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// errLinkDown: the connection is gone. The library would answer a search on
// it with nothing and no error (LC1).
var errLinkDown = errors.New("the connection to the directory was lost")

// TimeoutError: the server did not answer in time (LC5).
type TimeoutError struct {
	Doing string
	Limit time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: the directory did not answer within %s", e.Doing, e.Limit)
}

// link is one bound connection. It serves one request at a time and is not
// used again after any failure of the connection, timeout or cancellation.
type link struct {
	conn   *goldap.Conn
	raw    net.Conn
	server string // host:port as configured
	creds  credentials
	limits Timeouts
	root   rootDSE

	referrals int // search references seen: counted, never followed (LP8)
	closeOnce stdsync.Once
}

// abort closes the socket. That wakes the library's reader, which ends every
// waiting request with an error; its own Close may hang on a stream that
// nobody drains (LC6).
func (l *link) abort() {
	// A socket that is closed already is what we want.
	_ = l.raw.Close()
}

// close ends the link; it may be called more than once.
func (l *link) close() {
	l.closeOnce.Do(func() {
		l.abort()
		// The library's farewell fails on a closed socket, and says nothing
		// that matters now.
		_ = l.conn.Close()
	})
}

func (l *link) alive() bool { return !l.conn.IsClosing() }

// stream runs one search and hands its entries over one by one. It returns
// the controls of the final answer. What the library hides becomes an error:
// a dead connection (LC1), a cancelled context (LC2), a server that stalls
// (LC5). After an error the link is closed.
func (l *link) stream(ctx context.Context, req *goldap.SearchRequest, item func(goldap.Response) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.alive() {
		return errLinkDown
	}
	inner, cancel := context.WithCancel(ctx)
	defer func() {
		// LC6: the stream's context ends before the connection does.
		cancel()
		if err != nil && !isAnswer(err) {
			l.close()
		}
	}()
	res := l.conn.SearchAsync(inner, req, 64)
	watch := newWatchdog(l)
	for watch.next(res) {
		if res.Referral() != "" {
			l.referrals++
			continue
		}
		if err := item(res); err != nil {
			// The search is not drained: the next one would wait behind it.
			l.close()
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case watch.fired != nil:
		return watch.fired
	case res.Err() != nil:
		return res.Err()
	case !l.alive():
		return errLinkDown
	}
	return nil
}

// watchdog bounds the silence between two packets and the waiting for one
// page. Time that the sink takes does not count.
type watchdog struct {
	link   *link
	waited time.Duration
	fired  error
}

func newWatchdog(l *link) *watchdog { return &watchdog{link: l} }

// next waits for the next item of a search.
func (w *watchdog) next(res goldap.Response) bool {
	limit, doing := w.link.limits.Idle, "search"
	if left := w.link.limits.Page - w.waited; left < limit {
		limit, doing = max(left, time.Millisecond), "reading a page"
	}
	began := time.Now()
	timer := time.AfterFunc(limit, w.link.abort)
	more := res.Next()
	if !timer.Stop() {
		w.fired = &TimeoutError{Doing: doing, Limit: limit}
		return false
	}
	w.waited += time.Since(began)
	return more
}

// base reads one entry, or none: at most one answer is taken.
func (l *link) base(ctx context.Context, name, filter string, attrs []string, controls ...goldap.Control) (*goldap.Entry, error) {
	// A new request each time: the library leaves its controls in it (LC3).
	req := goldap.NewSearchRequest(name, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, filter, attrs, controls)
	var res *goldap.SearchResult
	err := l.guard(ctx, l.limits.Bind, "reading "+orRoot(name), func() (err error) {
		res, err = l.conn.Search(req)
		return err
	})
	// LC4: the library may return entries and an error; the error counts.
	switch {
	case err != nil:
		if !isAnswer(err) {
			l.close()
		}
		return nil, err
	case len(res.Entries) == 0:
		return nil, nil
	}
	return res.Entries[0], nil
}

func orRoot(name string) string {
	if name == "" {
		return "the root DSE"
	}
	return name
}
