package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pollKillConfig = `listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
database: sqlite:rollcall.db
workspaces:
  - id: acme
    name: Acme Inc
    owners: [ann@acme.com]
    mapping: mapping.yaml
    connections:
      - id: corp
        kind: ldap
        url: file:people.ldif
        people: {base: "ou=people,dc=acme,dc=com"}
        disabled: {attr: employeeType, eq: gone}
`

const pollKillMapping = `version: 1
owner: ann@acme.com
roles: [{id: r-member, role: member}]
groups: [{id: g-dept, to: {attr: department}, create: true}]
`

// directoryOf writes people into the directory: name, department and whether
// they are gone.
func directoryOf(t *testing.T, dir string, people ...[3]string) {
	t.Helper()
	var out strings.Builder
	for i, p := range people {
		if p[0] == "" {
			continue
		}
		fmt.Fprintf(&out, "dn: uid=%[1]s,ou=people,dc=acme,dc=com\nobjectClass: inetOrgPerson\nentryUUID: 6f1f0000-0000-4000-8000-0000000000%02[4]d\n"+
			"uid: %[1]s\ncn: %[1]s\nmail: %[1]s@acme.com\ndepartmentNumber: %[2]s\nemployeeType: %[3]s\n\n", p[0], p[1], p[2], i)
	}
	if err := os.WriteFile(filepath.Join(dir, "people.ldif"), []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// polled is a program run in a folder; killed tells that it ended itself at
// its seam.
func polled(t *testing.T, dir string, at int, args ...string) (out []byte, killed bool) {
	t.Helper()
	cmd := exec.Command("rollcall", append(args, "--config", "rollcall.yaml")...)
	cmd.Dir, cmd.Env = dir, os.Environ()
	if at > 0 {
		file := filepath.Join(dir, "at")
		if err := os.WriteFile(file, []byte(strconv.Itoa(at)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, killFile+"="+file)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return out, true
		}
	}
	if err != nil && cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("rollcall %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return out, false
}

// membersIn lists who is there: state and groups by address.
func membersIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	out, _ := polled(t, dir, 0, "members", "list", "--format", "json")
	var list []struct {
		Email, State string
		Groups       []string
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	got := map[string]string{}
	for _, m := range list {
		got[m.Email] = strings.TrimSpace(m.State + " " + strings.Join(m.Groups, " "))
	}
	return got
}

// expireLeases is the time that passes until a dead reader's lease is free.
func expireLeases(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE lease SET expires_us = 0"); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestPollKilledBehindEveryStatement kills a poll behind each statement that it
// writes: after the read and before anything is applied, in the middle of a
// unit, between two, before the cursor. Nobody loses access whom the directory
// did not end, and the next poll brings the workspace in line.
func TestPollKilledBehindEveryStatement(t *testing.T) {
	t.Parallel()
	start := t.TempDir()
	for name, text := range map[string]string{"rollcall.yaml": pollKillConfig, "mapping.yaml": pollKillMapping} {
		if err := os.WriteFile(filepath.Join(start, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	directoryOf(t, start, [3]string{"bo", "Sales", "staff"}, [3]string{"cy", "Sales", "staff"}, [3]string{"di", "Support", "staff"}, [3]string{"eve", "Support", "staff"})
	polled(t, start, 0, "sync", "corp")
	want := map[string]string{
		"ann@acme.com": "active", "bo@acme.com": "active Sales", "cy@acme.com": "active Sales", "di@acme.com": "active Support", "eve@acme.com": "active Support",
	}
	if d := cmp.Diff(want, membersIn(t, start)); d != "" {
		t.Fatalf("the first poll (-want +got):\n%s", d)
	}
	// Bo moves, cy is disabled, fay joins.
	directoryOf(t, start, [3]string{"bo", "Support", "staff"}, [3]string{"cy", "Sales", "gone"}, [3]string{"di", "Support", "staff"},
		[3]string{"eve", "Support", "staff"}, [3]string{"fay", "Sales", "staff"})
	want = map[string]string{
		"ann@acme.com": "active", "bo@acme.com": "active Support", "cy@acme.com": "deactivated", "di@acme.com": "active Support",
		"eve@acme.com": "active Support", "fay@acme.com": "active Sales",
	}
	kills, step := 0, 6
	if os.Getenv("ROLLCALL_KILLS") != "" {
		step = 1 // make kill
	}
	for at := 1; ; at += step {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(start)); err != nil {
			t.Fatal(err)
		}
		_, killed := polled(t, dir, at, "sync", "corp")
		if !killed {
			break
		}
		kills++
		for email, state := range membersIn(t, dir) {
			if !strings.HasPrefix(state, "active") && email != "cy@acme.com" {
				t.Errorf("killed behind statement %d: %s is %q", at, email, state)
			}
		}
		expireLeases(t, dir)
		polled(t, dir, 0, "sync", "corp")
		if d := cmp.Diff(want, membersIn(t, dir)); d != "" {
			t.Errorf("killed behind statement %d, then polled again (-want +got):\n%s", at, d)
		}
	}
	t.Logf("%d kills", kills)
	if kills*step < 40 {
		t.Errorf("only %d kills, each %d statements: the poll writes more than that", kills, step)
	}
}
