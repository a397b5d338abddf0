// Package keycloaktest starts a real Keycloak for tests: make keycloak gets the
// distribution that the variable KEYCLOAK_HOME names.
package keycloaktest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/freeport"
)

// Server is a Keycloak of its own, with an administrator's token. It is for
// one goroutine.
type Server struct {
	t     *testing.T
	URL   string
	token string
	at    time.Time // of the token
}

const password = "trial-only"

// Start starts the distribution that KEYCLOAK_HOME names; `make
// keycloak` gets it.
func Start(t *testing.T) *Server {
	t.Helper()
	home := os.Getenv("KEYCLOAK_HOME")
	if home == "" {
		t.Fatal("KEYCLOAK_HOME names no Keycloak: run make keycloak")
	}
	number, err := freeport.Reserve("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(number)
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(home, "bin", "kc.sh"), "start-dev", "--db=dev-mem", "--http-host=127.0.0.1", "--http-port="+port)
	cmd.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD="+password)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("Keycloak had ended by itself")
		}
	})
	k := &Server{t: t, URL: "http://127.0.0.1:" + port}
	for until := time.Now().Add(4 * time.Minute); ; time.Sleep(time.Second) {
		res, err := http.Get(k.URL + "/realms/master")
		if err == nil {
			if err := res.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode == http.StatusOK {
				return k
			}
		}
		if time.Now().After(until) {
			t.Fatalf("Keycloak did not start: %v\n%s", err, log.String())
		}
	}
}

// Admin calls the Admin REST API as its administrator.
func (k *Server) Admin(method, path string, body, into any) {
	k.t.Helper()
	if time.Since(k.at) > 30*time.Second {
		res, err := http.PostForm(k.URL+"/realms/master/protocol/openid-connect/token", url.Values{
			"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {password},
		})
		if err != nil {
			k.t.Fatal(err)
		}
		var a struct {
			AccessToken string `json:"access_token"`
		}
		k.read(res, &a)
		k.token, k.at = a.AccessToken, time.Now()
	}
	text, err := json.Marshal(body)
	if err != nil {
		k.t.Fatal(err)
	}
	req, err := http.NewRequest(method, k.URL+"/admin/realms"+path, bytes.NewReader(text))
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+k.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	if res.StatusCode >= 300 {
		k.t.Errorf("%s %s: %d", method, path, res.StatusCode)
	}
	k.read(res, into)
}

func (k *Server) read(res *http.Response, into any) {
	k.t.Helper()
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = res.Body.Close()
	}
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		k.t.Fatalf("%v: %s", err, text)
	}
}

// Named is what objects of the API have in common.
type Named struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
}

// Find gives the one object that a listing finds.
func (k *Server) Find(path string) Named {
	k.t.Helper()
	var found []Named
	k.Admin(http.MethodGet, path, nil, &found)
	if len(found) != 1 {
		k.t.Fatalf("%s finds %d", path, len(found))
	}
	return found[0]
}

// Person makes an enabled person of the realm acme, and gives the id.
func (k *Server) Person(name string) string {
	k.t.Helper()
	k.Admin(http.MethodPost, "/acme/users", map[string]any{
		"username": name + "@acme.com", "email": name + "@acme.com", "firstName": "Person", "lastName": name, "enabled": true,
	}, nil)
	return k.Find("/acme/users?exact=true&username=" + name + "@acme.com").ID
}
