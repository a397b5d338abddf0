package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
)

// fakeDirectories are the fakes of running scripts, by address.
var fakeDirectories stdsync.Map

// leakMark begins every secret and token of the fakes.
const leakMark = "canary-91d0-"

// idpCommand runs the faithful fake of a directory API for a script:
//
//	idp start KIND        keeps its address in $IDP, writes rollcall.yaml and the secret that it names
//	idp add NAME...       adds people, NAME@acme.com
//	idp disable|enable|delete NAME
//	idp group NAME WHO... adds a group
//	idp break FAULT       until idp mend
//	idp stop              it answers nobody any more
//	idp leaks FILE...     fails if a secret stands in one of the files or below one of the folders
func idpCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: idp start|add|disable|enable|delete|group|break|mend|stop|leaks")
	}
	if args[0] == "start" && len(args) == 2 {
		startIDP(ts, args[1])
		return
	}
	found, ok := fakeDirectories.Load(ts.Getenv("IDP"))
	if !ok {
		ts.Fatalf("idp start comes first")
	}
	f := found.(*fakeidp.Server)
	of := func(name string) string {
		for _, p := range f.People() {
			if p.UserName == name+"@acme.com" {
				return p.ID
			}
		}
		ts.Fatalf("nobody is called %s", name)
		return ""
	}
	switch rest := args[1:]; args[0] {
	case "add":
		for _, name := range rest {
			f.Add(fakeidp.Person{UserName: name + "@acme.com", Email: name + "@acme.com", Given: "Person", Family: name})
		}
	case "disable", "enable":
		f.Disable(of(rest[0]), args[0] == "disable")
	case "delete":
		f.Delete(of(rest[0]))
	case "group":
		id := f.AddGroup(rest[0])
		for _, name := range rest[1:] {
			f.Join(id, fakeidp.Member{ID: of(name)})
		}
	case "break":
		f.Break(fakeidp.Fault(rest[0]), -1)
	case "mend":
		f.Mend()
	case "stop":
		f.Close()
	case "leaks":
		for _, name := range rest {
			noSecretBelow(ts, ts.MkAbs(name))
		}
	default:
		ts.Fatalf("unknown: idp %s", args[0])
	}
}

// startIDP starts a fake.
func startIDP(ts *testscript.TestScript, kind string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	tokens := &fakeidp.Tokens{
		ClientID: "reader", ClientSecret: leakMark + "secret", Prefix: leakMark, Key: key.Public(), Account: "r@acme.iam.example", Subject: "reader@acme.com",
	}
	auth := "{method: private_key_jwt, client_id: reader, algorithm: ES256, key: file:secret, dpop: \"off\"}"
	secret := text
	var f *fakeidp.Server
	issuer, base, extra := "", "", ""
	switch kind {
	case "graph":
		g := fakeidp.NewGraph(tokens)
		f, issuer, base, extra = g.Server, g.Issuer(), g.URL, "tenant: "+fakeidp.GraphTenant
	case "okta":
		tokens.DPoP = true
		f = fakeidp.NewOkta(tokens).Server
		issuer, base, auth = f.URL, f.URL, "{method: private_key_jwt, client_id: reader, key: file:secret}"
	case "google":
		f = fakeidp.NewGoogle(tokens).Server
		issuer, base = "https://accounts.google.com", f.URL
		auth = "{method: google_jwt, key: file:secret, subject: reader@acme.com, token_endpoint: \"" + f.URL + "/token\"}"
		account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": tokens.Account, "private_key": text})
		ts.Check(err)
		secret = string(account)
	case "keycloak":
		k := fakeidp.NewKeycloak(tokens)
		f, issuer, base = k.Server, k.Issuer(), k.URL
		auth, secret = "{method: client_secret_basic, client_id: reader, client_secret: file:secret}", tokens.ClientSecret
	case "scim":
		tokens.Fixed = leakMark + "fixed"
		f = fakeidp.NewSCIM(tokens).Server
		issuer, base, auth, secret = f.URL, f.URL+"/scim/v2", "{method: bearer, token: file:secret}", tokens.Fixed
	default:
		ts.Fatalf("no fake of %s", kind)
	}
	ts.Defer(f.Close)
	fakeDirectories.Store(f.URL, f)
	ts.Setenv("IDP", f.URL)
	ts.Check(os.WriteFile(ts.MkAbs("secret"), []byte(secret), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("rollcall.yaml"), fmt.Appendf(nil, `listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
database: sqlite:rollcall.db
workspaces:
  - id: acme
    owners: [ann@acme.com]
    connections:
      - id: dir
        kind: oidc
        issuer: %s
        allow_private_networks: [127.0.0.0/8]
        directory: {kind: %s, api_base: "%s", rate: 1000, auth: %s}
        %s
    mapping: mapping.yaml
    policy: {approve: []}
`, issuer, kind, base, auth, extra), 0o600))
}

// noSecretBelow looks for the fakes' secrets in files; the secret's own file
// is where it belongs.
func noSecretBelow(ts *testscript.TestScript, root string) {
	ts.Check(filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "secret" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, word := range []string{leakMark, "PRIVATE KEY", "client_assertion"} {
			if bytes.Contains(text, []byte(word)) {
				ts.Fatalf("%s holds %q", path, word)
			}
		}
		return nil
	}))
	// Nor on any command line that this machine shows.
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	ts.Check(err)
	if slices.ContainsFunc(lines, func(path string) bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(text), leakMark)
	}) {
		ts.Fatalf("a command line holds a secret")
	}
}
