package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	stdsync "sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// errLinkDown: the connection is gone. The library would answer a search on
// it with nothing and no error (LC1).
var errLinkDown = errors.New("the connection to the directory was lost")

// TimeoutError says that the server did not answer in time (LC5).
type TimeoutError struct {
	Doing string
	Limit time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s: the directory did not answer within %s", e.Doing, e.Limit)
}

// Unwrap makes it a timeout to whoever asks what kind of failure it is.
func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// link is one bound connection. It serves one request at a time and is not
// used again after any failure of the connection, timeout or cancellation.
type link struct {
	conn   *goldap.Conn
	tap    *tap
	raw    net.Conn
	server string // host:port as configured
	creds  credentials
	limits Timeouts
	root   rootDSE
	meter  *sync.Meter

	referrals int // search references seen: counted, never followed (LP8)
	closeOnce stdsync.Once
}

// abort closes the socket. That wakes the library's reader, which ends every
// waiting request with an error; its own Close may hang on a stream that
// nobody drains (LC6).
func (l *link) abort() {
	// A socket that is closed already is what we want. TLS's farewell would
	// wait for a server that does not listen.
	_ = l.raw.Close()
	l.tap.once.Do(func() { close(l.tap.closed) })
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

// stream runs one search and hands over what it gives, one item at a time.
// What the library hides becomes an error: a dead connection (LC1), a
// cancelled context (LC2), a server that stalls (LC5). After anything but an
// answer of the server the link is closed.
func (l *link) stream(ctx context.Context, req *goldap.SearchRequest, take func(item) error) (err error) {
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
	l.meter.Asked()
	others, end := l.pump(inner, req)
	watch := newWatchdog(l)
	for {
		it, done, err := watch.next(ctx, others)
		if err != nil {
			return err
		}
		if done {
			break
		}
		if err := l.hand(it, take); err != nil {
			return err
		}
	}
	// All entries were there before the end was.
	for more := true; more; {
		select {
		case it := <-l.tap.entries:
			if err := l.hand(it, take); err != nil {
				return err
			}
		default:
			more = false
		}
	}
	switch err := <-end; {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case !l.alive():
		return errLinkDown
	}
	return nil
}

// hand passes an item on. If it is refused the search is not drained, and the
// next one would wait behind it: the link is closed.
func (l *link) hand(it item, take func(item) error) error {
	if it.referral {
		l.referrals++
		l.meter.Referred()
		return nil
	}
	if err := take(it); err != nil {
		l.close()
		return err
	}
	return nil
}

// pump starts a search and gives what comes by way of the library; after
// that, what the search ended with.
func (l *link) pump(ctx context.Context, req *goldap.SearchRequest) (others chan item, end chan error) {
	others, end = make(chan item), make(chan error, 1)
	res := l.conn.SearchAsync(ctx, req, 64)
	go func() {
		defer close(others)
		for res.Next() {
			it := item{entry: res.Entry(), controls: res.Controls(), referral: res.Referral() != ""}
			select {
			case others <- it:
			case <-ctx.Done():
				end <- ctx.Err()
				return
			}
		}
		end <- res.Err()
	}()
	return others, end
}

// watchdog bounds the silence between two packets and the waiting for one
// page. Time that the sink takes does not count.
type watchdog struct {
	link   *link
	timer  *time.Timer
	waited time.Duration
}

func newWatchdog(l *link) *watchdog { return &watchdog{link: l} }

// next waits for the next item of a search; done is its end.
func (w *watchdog) next(ctx context.Context, others chan item) (it item, done bool, err error) {
	// Mostly the next entry is there already, and no clock is needed.
	select {
	case it = <-w.link.tap.entries:
		return it, false, nil
	default:
	}
	limit, doing := w.link.limits.Idle, "search"
	if left := w.link.limits.Page - w.waited; left < limit {
		limit, doing = max(left, time.Millisecond), "reading a page"
	}
	began := time.Now()
	defer func() { w.waited += time.Since(began) }()
	if w.timer == nil {
		w.timer = time.NewTimer(limit)
	} else {
		w.timer.Reset(limit)
	}
	defer w.timer.Stop()
	select {
	case it = <-w.link.tap.entries:
		return it, false, nil
	case it, ok := <-others:
		return it, !ok, nil
	case <-ctx.Done():
		return it, false, ctx.Err()
	case <-w.timer.C:
		return it, false, &TimeoutError{Doing: doing, Limit: limit}
	}
}

// base reads one entry, or none.
func (l *link) base(ctx context.Context, name, filter string, attrs []string, controls ...goldap.Control) (*goldap.Entry, error) {
	// A new request each time: the library leaves its controls in it (LC3).
	req := goldap.NewSearchRequest(name, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, filter, attrs, controls)
	var found *goldap.Entry
	err := l.stream(ctx, req, func(it item) error {
		if found == nil {
			found = it.entry
		}
		return nil
	})
	// LC4: entries and an error may come together; the error counts.
	if err != nil {
		return nil, err
	}
	return found, nil
}
