package freeport

import (
	"net"
	"strconv"
	"testing"
)

func TestReserve(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 50 {
		port, err := Reserve("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < first || port >= last {
			t.Fatalf("port %d twice, or out of its range", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatalf("a reserved port cannot be bound: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A lock is of one open file, so a second open stands for another process.
func TestReservedByAnother(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/20000"
	f, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := lockFile(path); err == nil {
		t.Fatalf("two have the lock: %v", other.Close())
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err = lockFile(path)
	if err != nil {
		t.Fatalf("the lock outlives its holder: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
