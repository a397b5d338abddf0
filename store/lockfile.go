//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// LockExclusive keeps a second daemon off a SQLite file: it locks PATH.lock
// until release is called or the process ends, and fails when somebody else
// holds it. Commands that write beside the daemon do not take it. PostgreSQL
// needs no such lock; replicas share it by leases.
func LockExclusive(address string) (release func() error, err error) {
	if !strings.HasPrefix(address, liteScheme) {
		return func() error { return nil }, nil
	}
	path, err := litePath(address)
	if err != nil {
		return nil, err
	}
	path += ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock file of the database: %w: make its folder, and let this user write there", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("another rollcall serves %s: stop it, or give this one a database of its own", strings.TrimSuffix(path, ".lock"))
		} else {
			err = fmt.Errorf("lock file %s: %w", path, err)
		}
		return nil, errors.Join(err, f.Close())
	}
	// The file stays: removing it would let two daemons lock two files of
	// one name. Closing it gives the lock back.
	return f.Close, nil
}
