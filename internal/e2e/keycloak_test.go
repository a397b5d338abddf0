//go:build keycloak

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// realKeycloak is a Keycloak of its own, with an administrator's token.
type realKeycloak struct {
	t     *testing.T
	url   string
	token string
	at    time.Time // of the token
}

const keycloakPassword = "trial-only"

// startKeycloak starts the distribution that KEYCLOAK_HOME names; `make
// keycloak` gets it.
func startKeycloak(t *testing.T) *realKeycloak {
	t.Helper()
	home := os.Getenv("KEYCLOAK_HOME")
	if home == "" {
		t.Fatal("KEYCLOAK_HOME names no Keycloak: run make keycloak")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(home, "bin", "kc.sh"), "start-dev", "--db=dev-mem", "--http-host=127.0.0.1", "--http-port="+port)
	cmd.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD="+keycloakPassword)
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
	k := &realKeycloak{t: t, url: "http://" + at}
	for until := time.Now().Add(4 * time.Minute); ; time.Sleep(time.Second) {
		res, err := http.Get(k.url + "/realms/master")
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

// admin calls the Admin REST API as its administrator.
func (k *realKeycloak) admin(method, path string, body, into any) {
	k.t.Helper()
	if time.Since(k.at) > 30*time.Second {
		res, err := http.PostForm(k.url+"/realms/master/protocol/openid-connect/token", url.Values{
			"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {keycloakPassword},
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
	req, err := http.NewRequest(method, k.url+"/admin/realms"+path, bytes.NewReader(text))
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

func (k *realKeycloak) read(res *http.Response, into any) {
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

type named struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
}

func (k *realKeycloak) find(path string) named {
	k.t.Helper()
	var found []named
	k.admin(http.MethodGet, path, nil, &found)
	if len(found) != 1 {
		k.t.Fatalf("%s finds %d", path, len(found))
	}
	return found[0]
}

func (k *realKeycloak) person(name string) string {
	k.t.Helper()
	k.admin(http.MethodPost, "/acme/users", map[string]any{
		"username": name + "@acme.com", "email": name + "@acme.com", "firstName": "Person", "lastName": name, "enabled": true,
	}, nil)
	return k.find("/acme/users?exact=true&username=" + name + "@acme.com").ID
}

// TestKeycloak runs the Keycloak source against a real Keycloak: least
// rights, pages, sub-groups, changes, deletions, lost rights, a new secret.
func TestKeycloak(t *testing.T) {
	k := startKeycloak(t)
	k.admin(http.MethodPost, "", map[string]any{"realm": "acme", "enabled": true, "accessTokenLifespan": 60}, nil)
	k.admin(http.MethodPost, "/acme/clients", map[string]any{
		"clientId": "rollcall-reader", "secret": canary + "one", "serviceAccountsEnabled": true, "standardFlowEnabled": false, "publicClient": false,
	}, nil)
	client := k.find("/acme/clients?clientId=rollcall-reader").ID
	var account named
	k.admin(http.MethodGet, "/acme/clients/"+client+"/service-account-user", nil, &account)
	management := k.find("/acme/clients?clientId=realm-management").ID
	var role map[string]any
	k.admin(http.MethodGet, "/acme/clients/"+management+"/roles/view-users", nil, &role)
	roles := "/acme/users/" + account.ID + "/role-mappings/clients/" + management
	k.admin(http.MethodPost, roles, []any{role}, nil)

	want := map[string]string{}
	ids := make([]string, 31)
	for i := range ids {
		name := fmt.Sprintf("u%03d", i+1)
		ids[i] = k.person(name)
		want[name+"@acme.com"] = "member"
	}
	k.admin(http.MethodPost, "/acme/groups", map[string]any{"name": "phone-admins"}, nil)
	group := k.find("/acme/groups?search=phone-admins&exact=true").ID
	k.admin(http.MethodPost, "/acme/groups/"+group+"/children", map[string]any{"name": "emea"}, nil)
	sub := k.find("/acme/groups/" + group + "/children").ID
	k.admin(http.MethodPut, "/acme/users/"+ids[0]+"/groups/"+group, nil, nil)
	k.admin(http.MethodPut, "/acme/users/"+ids[1]+"/groups/"+sub, nil, nil)
	want["u001@acme.com"], want["u002@acme.com"] = "admin", "admin"

	cfg := oidc.Config{Issuer: k.url + "/realms/acme", AllowPrivateNetworks: []string{"127.0.0.0/8"}}
	cfg.Directory = oidc.DirectoryConfig{Kind: oidc.Keycloak, PageSize: 12}
	ref := secretFile(t, canary+"one")
	cfg.Directory.Auth = oidc.DirectoryAuth{Method: "client_secret_basic", ClientID: "rollcall-reader", ClientSecret: ref}
	clock := fakeidp.NewKeycloak(&fakeidp.Tokens{}) // only its clock is used
	t.Cleanup(clock.Close)
	w, err := newAPIWorld(t.TempDir(), clock.Server, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	agree := func(when string) {
		t.Helper()
		for range 2 {
			clock.Wind(20 * time.Minute)
			if res, err := w.poll(context.Background(), false); err != nil || len(res.Run.IncompleteWhy) != 0 {
				t.Fatalf("%s: %v %v", when, err, res.Run.IncompleteWhy)
			}
		}
		have, err := w.members()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	probe, err := w.source.Check(t.Context())
	if err != nil || probe.Groups != 1 {
		t.Errorf("check: %v %+v", err, probe)
	}
	for _, r := range probe.Rights {
		if !r.Granted {
			t.Errorf("missing with the least rights: %+v", r)
		}
	}
	agree("at first")

	k.admin(http.MethodPut, "/acme/users/"+ids[4], map[string]any{"enabled": false}, nil)
	k.admin(http.MethodDelete, "/acme/users/"+ids[5], nil, nil)
	k.admin(http.MethodDelete, "/acme/users/"+ids[1]+"/groups/"+sub, nil, nil)
	k.person("late")
	delete(want, "u005@acme.com")
	delete(want, "u006@acme.com")
	want["u002@acme.com"], want["late@acme.com"] = "member", "member"
	agree("after changes")

	k.admin(http.MethodDelete, roles, []any{role}, nil)
	for range 3 {
		clock.Wind(20 * time.Minute)
		if res, err := w.poll(context.Background(), true); err == nil && len(res.Run.IncompleteWhy) == 0 {
			t.Error("the right is lost, and the read passes for whole")
		}
	}
	have, err := w.members()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the right is lost (-want +got):\n%s", diff)
	}
	k.admin(http.MethodPost, roles, []any{role}, nil)
	agree("with the right again")

	// A new secret is used at once.
	var whole map[string]any
	k.admin(http.MethodGet, "/acme/clients/"+client, nil, &whole)
	whole["secret"] = canary + "two"
	k.admin(http.MethodPut, "/acme/clients/"+client, whole, nil)
	path := strings.TrimPrefix(ref.String(), "file:")
	if err := os.WriteFile(path, []byte(canary+"two"), 0o600); err != nil {
		t.Fatal(err)
	}
	agree("with a new secret")
	found, err := w.leaks(t.Context())
	if err != nil || len(found) != 0 {
		t.Errorf("secrets: %v %v", err, found)
	}
}
