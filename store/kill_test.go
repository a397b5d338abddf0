package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// killedStore names the database of the child that TestKill9 starts: this
// test binary, which then only writes.
const killedStore = "ROLLCALL_TEST_KILLED_STORE"

// writeUntilKilled writes units from 6 writers and prints each one's name
// after it was acknowledged.
func writeUntilKilled(url string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{URL: url, AutoMigrate: true})
	if err != nil {
		return err
	}
	h := s.In("acme")
	var mu sync.Mutex
	errs := make(chan error)
	for w := range 6 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				err := h.Update(ctx, UnitOptions{Urgent: i%9 == 0}, func(t *Tx) error {
					return errors.Join(t.InsertAbsenceProof(AbsenceProofRow{ID: name, Class: "E1"}), t.InsertAbsenceProof(AbsenceProofRow{ID: name + "+", Class: "E1"}))
				})
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				_, err = fmt.Println(name)
				mu.Unlock()
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

// TestKill9 kills a writing process and looks for what it acknowledged (DU3,
// FT01).
func TestKill9(t *testing.T) {
	url := liteScheme + filepath.Join(t.TempDir(), "killed.db")
	acknowledged := 0
	for round := range 20 {
		names := killOnce(t, url, time.Duration(5+round*3)*time.Millisecond)
		s, err := Open(t.Context(), Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		err = s.In("acme").View(t.Context(), func(r *Reader) error {
			for _, name := range names {
				for _, row := range []string{name, name + "+"} {
					var found string
					if err := r.row(`SELECT proof_id FROM absence_proof WHERE workspace_id = ? AND proof_id = ?`, r.ws, row).
						Scan(&found); err != nil {
						t.Errorf("round %d: acknowledged unit %s: %v", round, row, err)
					}
				}
			}
			var halves int
			if err := r.row(`SELECT COUNT(*) % 2 FROM absence_proof WHERE workspace_id = ?`, r.ws).Scan(&halves); err != nil || halves != 0 {
				t.Errorf("round %d: half a unit is there: %v", round, err)
			}
			var integrity string
			if err := r.row(`PRAGMA integrity_check`).Scan(&integrity); err != nil || integrity != "ok" {
				t.Errorf("round %d: integrity %q, %v", round, integrity, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		acknowledged += len(names)
	}
	t.Logf("20 kills, %d acknowledged units, 0 lost", acknowledged)
	if acknowledged < 200 {
		t.Errorf("only %d units were acknowledged: the test saw too little", acknowledged)
	}
}

// killOnce starts a writer, kills it some time after its first words, and
// gives what it had acknowledged: so much that the test sees something, however
// slow the disk is.
func killOnce(t *testing.T, url string, after time.Duration) (names []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killedStore+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if len(names) == 9 {
			time.AfterFunc(after, func() {
				if err := cmd.Process.Kill(); err != nil {
					t.Errorf("kill: %v", err)
				}
			})
		}
		names = append(names, lines.Text())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return names
}
