package configs

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

func TestExampleSignInLoads(t *testing.T) {
	t.Parallel()
	text := strings.Replace(exampleWith(t, "sso"), "# key_ring:", "key_ring:", 1)
	c, err := Load(write(t, "rollcall.yaml", text, "mapping.yaml", ExampleMapping))
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the example warns: %v", w)
	}
	sso := c.Workspaces[0].Connections[2]
	if sso.Kind != oidc.Kind || !sso.OIDC.SignIn.Has() || !sso.OIDC.Signals.SSF.Has() || !sso.OIDC.Directory.Has() || c.KeyRing.String() != "file:/run/secrets/rollcall-keys" {
		t.Errorf("connection %+v", sso.OIDC)
	}
	// What the example calls a default is one.
	want := sso.OIDC
	fresh := oidc.Config{SignIn: oidc.SignIn{ClientID: "rollcall"}, Signals: oidc.Signals{SSF: oidc.SSF{Mode: "poll"}}}.WithDefaults()
	if got := want.SignIn; got.Subject != fresh.SignIn.Subject || got.GroupsClaim != fresh.SignIn.GroupsClaim || got.Lifetime != fresh.SignIn.Lifetime {
		t.Errorf("sign_in %+v, defaults %+v", got, fresh.SignIn)
	}
	if want.TrustEmail != fresh.TrustEmail || want.Liveness.OnInvalidGrant != fresh.Liveness.OnInvalidGrant ||
		want.Signals.SSF.Audience != fresh.Signals.SSF.Audience || want.Signals.SSF.Every != fresh.Signals.SSF.Every {
		t.Errorf("differs from the defaults: %+v, %+v", want, fresh)
	}
}

func TestSignInFilesAreRelative(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte("listen: 127.0.0.1:0\ndatabase: sqlite:x.db\nkey_ring: file:keys\nworkspaces: [{id: a, owners: [ann@acme.com], connections: "+
		"[{id: sso, kind: oidc, issuer: 'http://127.0.0.1:9', allow_private_networks: [127.0.0.0/8], "+
		"sign_in: {client_id: r, client_secret: file:secret}}]}]\n"), "/etc/c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	x := c.Workspaces[0].Connections[0].OIDC
	got := []string{c.KeyRing.String(), x.SignIn.ClientSecret.String()}
	if diff := cmp.Diff([]string{"file:/etc/keys", "file:/etc/secret"}, got, cmp.AllowUnexported(secret.Ref{})); diff != "" {
		t.Error(diff)
	}
	if d := x.WithDefaults(); !slices.Equal(d.SignIn.Scopes, []string{"openid", "email", "profile"}) {
		t.Errorf("scopes %v", d.SignIn.Scopes)
	}
}
