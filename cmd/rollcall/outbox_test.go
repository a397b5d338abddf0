package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/configs"
)

const outboxSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// outboxPhone plays the phone product: it checks signatures, ends sessions and
// proves it.
type outboxPhone struct {
	mu    stdsync.Mutex
	types []string
	hook  *standardwebhooks.Webhook
	bad   error
}

func (p *outboxPhone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = p.hook.Verify(body, r.Header)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad = errors.Join(p.bad, err)
	if r.Method == http.MethodGet {
		fmt.Fprint(w, `{"epoch":99,"sessions":0}`)
		return
	}
	var event struct {
		Type string `json:"type"`
	}
	p.bad = errors.Join(p.bad, json.Unmarshal(body, &event))
	p.types = append(p.types, event.Type)
	w.WriteHeader(http.StatusNoContent)
}

func (p *outboxPhone) seen() ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.types), p.bad
}

// said gives a list of texts two levels down in an answer, nil if it is not
// there.
func said(v map[string]any, object, list string) (texts []string) {
	inner, _ := v[object].(map[string]any)
	all, _ := inner[list].([]any)
	for _, x := range all {
		text, _ := x.(string)
		texts = append(texts, text)
	}
	return texts
}

// TestServeTellsReceivers is the way of a leaver through the whole program:
// SCIM request, commit, webhook, proof, revocation feed, public keys.
func TestServeTellsReceivers(t *testing.T) {
	t.Parallel()
	hook, err := standardwebhooks.NewWebhook(outboxSecret)
	if err != nil {
		t.Fatal(err)
	}
	phone := &outboxPhone{hook: hook}
	receiver := httptest.NewServer(phone)
	defer receiver.Close()
	dir := t.TempDir()
	writePair(t, dir, 1, time.Now()) // key.pem is a P-256 key
	file := filepath.Join(dir, "rollcall.yaml")
	text := fmt.Sprintf(`listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
database: sqlite:rollcall.db
workspaces:
  - {id: acme, owners: [ann@acme.com], connections: [{id: okta, kind: scim, profile: okta}]}
events:
  webhooks:
    - {id: phone, url: "%[1]s/hook", secret: file:secret, types: ["member.*", session.revoked], verify: "%[1]s/members/{member}"}
  streams:
    - {id: siem, deliver: poll, audience: "https://siem.acme.com", authorization: file:siem}
  signing_key: file:key.pem
  allow_private_networks: [127.0.0.1]
`, receiver.URL)
	for name, content := range map[string]string{"rollcall.yaml": text, "secret": outboxSecret, "siem": "letmein"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	token := func(args ...string) string {
		t.Helper()
		var out, problems bytes.Buffer
		args = append([]string{"token", "create", "--config", file, "--connection", "okta"}, args...)
		if code := run(t.Context(), args, &environment{out: &out, err: &problems}); code != exitDone {
			t.Fatalf("token: exit %d, %s", code, problems.String())
		}
		return strings.TrimSpace(out.String())
	}
	push, feed := token(), token("--scopes", "revocations:read")

	config, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d, err := startDaemon(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()

	call := func(method, path, bearer, body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, d.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Content-Type", "application/scim+json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
		}
		return res.StatusCode, v
	}
	code, user := call("POST", "/scim/v2/Users", push, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bo@acme.com",`+
		`"externalId":"e1","emails":[{"value":"bo@acme.com","type":"work","primary":true}],"active":true}`)
	if code != http.StatusCreated {
		t.Fatalf("%d %v", code, user)
	}
	if code, spc := call("GET", "/scim/v2/ServiceProviderConfig", push, ""); code != http.StatusOK || !slices.Contains(said(spc, "securityEvents", "eventUris"), "urn:ietf:params:scim:event:prov:deactivate") {
		t.Errorf("securityEvents: %d %v", code, spc["securityEvents"])
	}
	code, epochs := call("GET", "/v1/epochs", feed, "")
	if code != http.StatusOK {
		t.Fatalf("%d %v", code, epochs)
	}
	start := time.Now()
	if code, v := call("PATCH", "/scim/v2/Users/"+user["id"].(string), push, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],`+
		`"Operations":[{"op":"replace","value":{"active":false}}]}`); code != http.StatusOK {
		t.Fatalf("%d %v", code, v)
	}
	for seen := []string(nil); !slices.Contains(seen, "member.deactivated"); time.Sleep(5 * time.Millisecond) {
		if seen, err = phone.seen(); err != nil || time.Since(start) > 20*time.Second {
			t.Fatalf("seen %v, %v", seen, err)
		}
	}
	t.Logf("delivered after %s", time.Since(start))
	for told := ""; !strings.Contains(told, "receivers told in") || !strings.Contains(told, "proved at"); time.Sleep(20 * time.Millisecond) {
		var out, problems bytes.Buffer
		if code := run(t.Context(), []string{"report", "--config", file}, &environment{out: &out, err: &problems}); code != exitDone || time.Since(start) > 20*time.Second {
			t.Fatalf("report: exit %d, %s%s", code, out.String(), problems.String())
		}
		// The polled stream is a receiver too: it has its tokens and says so.
		_, polled := call("POST", "/v1/sets/siem", "letmein", `{"returnImmediately":true}`)
		acks, err := json.Marshal(slices.Collect(maps.Keys(polled["sets"].(map[string]any))))
		if err != nil {
			t.Fatal(err)
		}
		call("POST", "/v1/sets/siem", "letmein", `{"maxEvents":0,"ack":`+string(acks)+`}`)
		told = out.String()
	}
	code, revoked := call("GET", "/v1/revocations?wait=20s&after="+epochs["next"].(string), feed, "")
	if rows, _ := revoked["revocations"].([]any); code != http.StatusOK || len(rows) != 1 || rows[0].(map[string]any)["state"] != "deactivated" {
		t.Errorf("feed: %d %v", code, revoked)
	}
	if code, v := call("GET", "/v1/epochs", push, ""); code != http.StatusForbidden {
		t.Errorf("a SCIM token reads the feed: %d %v", code, v)
	}
	if code, v := call("GET", "/v1/epochs", "nonsense", ""); code != http.StatusUnauthorized {
		t.Errorf("no token: %d %v", code, v)
	}
	if code, v := call("GET", "/scim/v2/Users", feed, ""); code != http.StatusForbidden {
		t.Errorf("a token for the feed reads people: %d %v", code, v)
	}
	if code, keys := call("GET", "/v1/jwks", "", ""); code != http.StatusOK || len(keys["keys"].([]any)) != 1 {
		t.Errorf("keys: %d %v", code, keys)
	}
	// A receiver that waits does not hold the daemon up.
	go func() {
		time.Sleep(200 * time.Millisecond)
		stop()
	}()
	start = time.Now()
	_, end := call("GET", "/v1/revocations?wait=25s&after="+revoked["next"].(string), feed, "")
	if rows, _ := end["revocations"].([]any); len(rows) != 0 {
		t.Errorf("at the end: %v", end)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
}
