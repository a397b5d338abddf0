package pgtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A killed test process leaves no server, and the next run removes its folder.
func TestNothingOutlivesAKilledProcess(t *testing.T) {
	t.Parallel()
	// Not the common folder: what a test process of another package finds there, it sweeps as well. The server's account
	// has to get through.
	tmp, err := os.MkdirTemp("", "orphan-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(tmp); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PGTEST_ORPHAN=1", "TMPDIR="+tmp)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir, ok := strings.CutPrefix(strings.TrimSpace(line), "folder ")
	if err != nil || !ok {
		t.Fatalf("the second process said %q: %v", line, err)
	}
	pid := postmaster(t, dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
	deadline := time.Now().Add(time.Minute)
	for running(t, pid) {
		if time.Now().After(deadline) {
			t.Fatalf("postgres %d outlived its test process", pid)
		}
		time.Sleep(20 * time.Millisecond) // No signal tells of a process that is not our child.
	}
	// The server's own children die a moment after it and write meanwhile.
	for {
		if err := sweep(tmp); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is left: %v", dir, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// postmaster reads the server's process id from the first line of its pid file.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// running tells a live process from one that only waits to be reaped, which an init without that duty leaves for ever. The
// state is the letter after the name in parentheses.
func running(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndexByte(stat, ')')
	return end < 0 || end+2 >= len(stat) || stat[end+2] != 'Z'
}
