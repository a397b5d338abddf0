package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

const liteScheme = "sqlite:"

// busyTimeout is how long a connection waits for the lock of another process.
const busyTimeout = 5 * time.Second

// Prepared statements kept per connection. Each holds a few kilobytes.
const (
	writerStatements = 256
	readerStatements = 128
)

// liteEngine is SQLite in one file: one writer connection, a pool of readers.
type liteEngine struct {
	writer  *liteWriter
	readers *litePool
}

// litePath takes the file from "sqlite:PATH" and refuses what is no file.
func litePath(address string) (string, error) {
	path := strings.TrimPrefix(address, liteScheme)
	if path == "" || strings.HasPrefix(path, ":memory:") || strings.ContainsAny(path, "?#") {
		return "", fmt.Errorf("database %q: want sqlite:PATH with the path of a file", address)
	}
	return path, nil
}

// liteDSN is the connection string of reliability section 2. The caches are
// small, for they are private memory of the process: the allocator rounds a
// cached page of 4 KiB up to 8, and the system caches the file anyway
// (measured: look-ups among 100,000 rows take 12 us instead of 10). The file
// is not mapped: the pages of a mapping count as the process's own memory.
// Savepoints keep the pages they may have to give back in memory: past 64 KiB
// they would go to a temporary file. The log is copied back every 4,000 pages
// (16 MiB, what one block of its index holds) and not every 1,000: one commit
// of many units fills that.
func liteDSN(path string, writer bool) string {
	pragmas := []string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"journal_size_limit(67108864)", "temp_store(MEMORY)", "wal_autocheckpoint(4000)",
	}
	if writer {
		pragmas = append(pragmas, "cache_size(-4096)")
	} else {
		pragmas = append(pragmas, "cache_size(-1024)", "query_only(1)")
	}
	q := url.Values{"_pragma": pragmas}
	if writer {
		q.Set("_txlock", "immediate")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// fileFault is why the database file cannot be used, with what to do.
func fileFault(err error) error {
	return fmt.Errorf("database file: %w: let this user read and write it and its folder, or name another in database", err)
}

// prepareFile makes the database file, readable by its owner only, and
// refuses places where SQLite's WAL does not work. An existing file is not
// opened: closing it would drop the locks of a connection of this process.
func prepareFile(path string) error {
	dir := filepath.Dir(path)
	if err := checkFileSystem(dir); err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().Perm()&0o077 != 0:
		// SQLite gives the files beside it the same mode.
		if err := os.Chmod(path, 0o600); err != nil {
			return fileFault(err)
		}
		return nil
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fileFault(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil // somebody else made it just now
	}
	if err != nil {
		return fileFault(err)
	}
	return f.Close()
}

func openSQLite(_ context.Context, opt Options) (engine, error) {
	path, err := litePath(opt.URL)
	if err != nil {
		return nil, err
	}
	conn, err := openLite(liteDSN(path, true), writerStatements, true)
	if err != nil {
		return nil, err
	}
	conn.trace = opt.Trace
	conn.hot = &hotRows{values: map[hotKey]any{}}
	return &liteEngine{
		writer:  newLiteWriter(conn, opt.MaxBatch),
		readers: newLitePool(liteDSN(path, false), max(4, runtime.NumCPU())),
	}, nil
}

func (e *liteEngine) update(ctx context.Context, ws string, opt UnitOptions, unit Unit) error {
	return e.writer.update(ctx, ws, opt, unit)
}

func (e *liteEngine) view(ctx context.Context, ws string, single bool, fn func(*Reader) error) error {
	c, err := e.readers.take(ctx)
	if err != nil {
		return err
	}
	healthy := false
	defer func() { e.readers.give(c, healthy) }()
	if !single {
		if err := c.do(sqlBeginRead); err != nil {
			return err
		}
	}
	r := &Reader{ctx: ctx, ws: ws, on: c}
	err = runView(r, fn)
	if cerr := c.closeRows(); err == nil {
		err = cerr
	}
	if !single {
		if cerr := c.do(sqlCommit); cerr != nil {
			return errors.Join(err, cerr)
		}
	}
	healthy = !isUnavailable(err)
	return err
}

func (e *liteEngine) close() error {
	// The writer goes last: the last connection to close clears the WAL.
	return errors.Join(e.readers.close(), e.writer.close())
}

// litePool lends reader connections, the last used first, so that few of
// them fill their caches.
type litePool struct {
	dsn   string
	slots chan struct{} // a right to hold one connection
	mu    sync.Mutex
	idle  []*liteConn
	errs  []error // of closing broken connections
	shut  bool
}

func newLitePool(dsn string, size int) *litePool {
	return &litePool{dsn: dsn, slots: make(chan struct{}, size)}
}

func (p *litePool) take(ctx context.Context) (*liteConn, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if p.shut {
		p.mu.Unlock()
		<-p.slots
		return nil, unavailable("closed", nil)
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, err := openLite(p.dsn, readerStatements, false)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// give takes a connection back; one that met trouble is closed.
func (p *litePool) give(c *liteConn, healthy bool) {
	p.mu.Lock()
	if healthy && !p.shut {
		p.idle = append(p.idle, c)
	} else if err := c.close(); err != nil {
		p.errs = append(p.errs, err)
	}
	p.mu.Unlock()
	<-p.slots
}

// close waits for the views that run.
func (p *litePool) close() error {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	defer func() {
		for range cap(p.slots) {
			<-p.slots
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := p.errs
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	p.idle, p.errs = nil, nil
	return errors.Join(errs...)
}
