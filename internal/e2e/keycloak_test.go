//go:build keycloak

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/internal/keycloaktest"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// TestKeycloak runs the Keycloak source against a real Keycloak: least
// rights, pages, sub-groups, changes, deletions, lost rights, a new secret.
func TestKeycloak(t *testing.T) {
	k := keycloaktest.Start(t)
	k.Admin(http.MethodPost, "", map[string]any{"realm": "acme", "enabled": true, "accessTokenLifespan": 60}, nil)
	k.Admin(http.MethodPost, "/acme/clients", map[string]any{
		"clientId": "rollcall-reader", "secret": canary + "one", "serviceAccountsEnabled": true, "standardFlowEnabled": false, "publicClient": false,
	}, nil)
	client := k.Find("/acme/clients?clientId=rollcall-reader").ID
	var account keycloaktest.Named
	k.Admin(http.MethodGet, "/acme/clients/"+client+"/service-account-user", nil, &account)
	management := k.Find("/acme/clients?clientId=realm-management").ID
	var role map[string]any
	k.Admin(http.MethodGet, "/acme/clients/"+management+"/roles/view-users", nil, &role)
	roles := "/acme/users/" + account.ID + "/role-mappings/clients/" + management
	k.Admin(http.MethodPost, roles, []any{role}, nil)

	want := map[string]string{}
	ids := make([]string, 31)
	for i := range ids {
		name := fmt.Sprintf("u%03d", i+1)
		ids[i] = k.Person(name)
		want[name+"@acme.com"] = "member"
	}
	k.Admin(http.MethodPost, "/acme/groups", map[string]any{"name": "phone-admins"}, nil)
	group := k.Find("/acme/groups?search=phone-admins&exact=true").ID
	k.Admin(http.MethodPost, "/acme/groups/"+group+"/children", map[string]any{"name": "emea"}, nil)
	sub := k.Find("/acme/groups/" + group + "/children").ID
	k.Admin(http.MethodPut, "/acme/users/"+ids[0]+"/groups/"+group, nil, nil)
	k.Admin(http.MethodPut, "/acme/users/"+ids[1]+"/groups/"+sub, nil, nil)
	want["u001@acme.com"], want["u002@acme.com"] = "admin", "admin"

	cfg := oidc.Config{Issuer: k.URL + "/realms/acme", AllowPrivateNetworks: []string{"127.0.0.0/8"}}
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

	k.Admin(http.MethodPut, "/acme/users/"+ids[4], map[string]any{"enabled": false}, nil)
	k.Admin(http.MethodDelete, "/acme/users/"+ids[5], nil, nil)
	k.Admin(http.MethodDelete, "/acme/users/"+ids[1]+"/groups/"+sub, nil, nil)
	k.Person("late")
	delete(want, "u005@acme.com")
	delete(want, "u006@acme.com")
	want["u002@acme.com"], want["late@acme.com"] = "member", "member"
	agree("after changes")

	k.Admin(http.MethodDelete, roles, []any{role}, nil)
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
	k.Admin(http.MethodPost, roles, []any{role}, nil)
	agree("with the right again")

	// A new secret is used at once.
	var whole map[string]any
	k.Admin(http.MethodGet, "/acme/clients/"+client, nil, &whole)
	whole["secret"] = canary + "two"
	k.Admin(http.MethodPut, "/acme/clients/"+client, whole, nil)
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
