// Package freeport finds ports for the servers of tests that must be told
// their port before they bind it.
//
// A port that was only looked at can be anybody's by the time the server
// starts: the kernel gives it to the next listener on port 0 or the next
// outgoing connection, and a client then talks to a stranger. So the ports
// given here lie below the range that the kernel gives out of its own accord,
// and processes that look at the same time are kept apart by file locks.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	stdsync "sync"
	"syscall"
)

// The range is below Linux's default net.ipv4.ip_local_port_range, which
// starts at 32768, and above the well-known servers.
const (
	first = 20000
	last  = 32000
	tries = 100
)

// held keeps the locks of this process open: a lock ends with its process.
var held struct {
	mu    stdsync.Mutex
	files []*os.File
}

// Reserve gives a TCP port of host, a loopback address, that nobody listens
// on and that no other caller of Reserve on this machine gets before this
// process ends. It may be bound, given up and bound again. Reserve is safe
// for concurrent use.
func Reserve(host string) (int, error) {
	dir := filepath.Join(os.TempDir(), "rollcall-test-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("reserving a port: %w", err)
	}
	var failed error
	for range tries {
		port := first + rand.IntN(last-first)
		lock, err := lockFile(filepath.Join(dir, strconv.Itoa(port)))
		if err != nil {
			failed = err
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			failed = errors.Join(err, lock.Close())
			continue
		}
		held.mu.Lock()
		held.files = append(held.files, lock)
		held.mu.Unlock()
		return port, nil
	}
	return 0, fmt.Errorf("no free port of %s from %d to %d in %d tries: %w", host, first, last, tries, failed)
}

// lockFile opens path and locks it, or says that another has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}
