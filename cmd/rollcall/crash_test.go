package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"
)

// kills is how often the daemon is killed in TestKilledWhileWriting.
const kills = 20

// Every request that was answered 2xx is there after kill -9 and a restart
// (DU1, DU3, FT01).
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "rollcall.yaml")
	text := strings.ReplaceAll(scriptConfig, "    mapping: mapping.yaml\n", "")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"token", "create", "--connection", "okta", "--config", file}, &environment{out: &out, err: &errs}); code != 0 {
		t.Fatalf("token: exit %d: %s", code, &errs)
	}
	token := strings.TrimSpace(out.String())
	acknowledged := map[string]string{} // userName -> id
	for round := range kills {
		cmd, base := startKillable(t, file)
		made := writeUntilDead(t, cmd, base, token, round)
		for name, id := range made {
			acknowledged[name] = id
		}
	}
	cmd, base := startKillable(t, file)
	defer endKilled(cmd)
	if len(acknowledged) < kills {
		t.Errorf("only %d requests were answered: the test is blind", len(acknowledged))
	}
	for name, id := range acknowledged {
		status, body := request(t, token, http.MethodGet, base+"/Users/"+id, "")
		if status != http.StatusOK || !strings.Contains(body, name) {
			t.Errorf("%s was answered 201 and is not there: %d %s", name, status, body)
		}
	}
	t.Logf("%d kills, %d acknowledged writes, none lost", kills, len(acknowledged))
}

// startKillable starts a daemon and waits until it serves.
func startKillable(t *testing.T, file string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command("rollcall", "serve", "--config", file)
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	var log strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		var line struct{ Msg, SCIM string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			go func() {
				for lines.Scan() { // a full pipe would stop the daemon
				}
			}()
			return cmd, line.SCIM
		}
	}
	endKilled(cmd)
	t.Fatalf("the daemon does not start again:\n%s", log.String())
	return nil, ""
}

// endKilled kills a daemon; that it was killed is no news.
func endKilled(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// writeUntilDead lets several clients write and kills the daemon among them.
func writeUntilDead(t *testing.T, cmd *exec.Cmd, base, token string, round int) map[string]string {
	t.Helper()
	var mu stdsync.Mutex
	made := map[string]string{}
	// The daemon dies in the middle of writing, however fast the machine is.
	enough, killed := 1+rand.IntN(30), make(chan struct{})
	var clients stdsync.WaitGroup
	for client := range 6 {
		clients.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("u%d-%d-%d@acme.com", round, client, n)
				status, body := request(t, token, http.MethodPost, base+"/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+
					name+`","externalId":"`+name+`","active":true,"emails":[{"value":"`+name+`","type":"work","primary":true}]}`)
				if status == 0 {
					return // dead
				}
				var user struct{ ID string }
				if status != http.StatusCreated || json.Unmarshal([]byte(body), &user) != nil {
					t.Errorf("POST answers %d: %s", status, body)
					return
				}
				mu.Lock()
				made[name] = user.ID
				if len(made) == enough {
					close(killed)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-killed:
	case <-time.After(time.Minute):
		t.Error("no answers in a minute")
	}
	endKilled(cmd)
	clients.Wait()
	return made
}

// request sends one request; status 0 means that no answer came.
func request(t *testing.T, token, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		return 0, "" // the answer was cut: not acknowledged
	}
	return answer.StatusCode, text.String()
}
