package events

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// verifies checks a compact token with the public key alone.
func verifies(t *testing.T, token string, key *ecdsa.PublicKey) bool {
	t.Helper()
	i := strings.LastIndexByte(token, '.')
	raw, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || len(raw) != 64 {
		t.Fatalf("signature of %d bytes: %v", len(raw), err)
	}
	digest := sha256.Sum256([]byte(token[:i]))
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]))
}

// TestRFC6979 is the vector of RFC 6979 A.2.5 for P-256 with SHA-256.
func TestRFC6979(t *testing.T) {
	t.Parallel()
	key := keyOf(t, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	for message, want := range map[string]string{
		"sample": "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" + "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
		"test":   "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367" + "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
	} {
		raw, err := rawSignature(key, []byte(message))
		if err != nil || strings.ToUpper(hex.EncodeToString(raw)) != want {
			t.Errorf("%q: %X, %v", message, raw, err)
		}
	}
}

// TestRFC7515 is the key and the token of RFC 7515 A.3: our verifier takes the
// RFC's token, and the RFC's key verifies ours.
func TestRFC7515(t *testing.T) {
	t.Parallel()
	d, err := base64.RawURLEncoding.DecodeString("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
	if err != nil {
		t.Fatal(err)
	}
	key := keyOf(t, hex.EncodeToString(d))
	public, err := publicJWK(&key.PublicKey)
	if err != nil || public.X != "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU" || public.Y != "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" {
		t.Errorf("%+v, %v", public, err)
	}
	const token = "eyJhbGciOiJFUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	if !verifies(t, token, &key.PublicKey) {
		t.Error("the RFC's token does not verify")
	}
	ours, err := signES256(key, header{Alg: "ES256", KID: "k", Typ: "secevent+jwt"}, map[string]string{"iss": "joe"})
	if err != nil || !verifies(t, ours, &key.PublicKey) {
		t.Errorf("%s, %v", ours, err)
	}
	if verifies(t, strings.Replace(ours, ".", "x.", 1), &key.PublicKey) {
		t.Error("a changed token verifies")
	}
}

func keyOf(t *testing.T, hexD string) *ecdsa.PrivateKey {
	t.Helper()
	d, err := hex.DecodeString(hexD)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	key := keyOf(t, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for name, text := range map[string]string{
		"SEC 1":           block("EC PRIVATE KEY", sec1),
		"with parameters": block("EC PARAMETERS", []byte{6}) + block("EC PRIVATE KEY", sec1),
		"PKCS 8":          block("PRIVATE KEY", pkcs8),
	} {
		if got, err := parseKey(secret.New(text)); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "key", "a public key": block("PUBLIC KEY", sec1), "damaged": block("EC PRIVATE KEY", sec1[:20]),
	} {
		if _, err := parseKey(secret.New(text)); err == nil {
			t.Errorf("%s was taken for a key", name)
		}
	}
}

// TestTokens: which tokens tell which event, and what is in them (ST1 to ST3).
func TestTokens(t *testing.T) {
	t.Parallel()
	s := &Stream{ID: "siem", Audience: "https://siem.acme.com"}
	users := []scimUser{{id: "u1"}, {id: "u2", gone: true}}
	event := func(kind string) *store.EventRow {
		leaver := false
		for _, e := range ends {
			leaver = leaver || e == kind
		}
		return &store.EventRow{
			ID: "evt_1", SubjectType: "member", Subject: "m1", Type: kind, Leaver: leaver, At: workspace.At(time.Unix(1795248000, 0)),
			Body: []byte(`{"data":{"attributes":["name","access_end"],"cause":{"connection":"okta","class":"E1","run":"run-1"}}}`),
		}
	}
	for kind, want := range map[string]string{
		"member.deactivated":  "session-revoked@m1 prov:deactivate@/Users/u1 prov:delete@/Users/u2 feed:remove@/Users/u2",
		"member.contained":    "session-revoked@m1",
		"session.revoked":     "session-revoked@m1",
		"member.removed":      "session-revoked@m1 prov:deactivate@/Users/u1 prov:delete@/Users/u2 feed:remove@/Users/u2",
		"member.created":      "feed:add@/Users/u1 prov:create:notice@/Users/u1",
		"member.reactivated":  "prov:activate@/Users/u1",
		"member.role_changed": "prov:patch:notice@/Users/u1",
		"member.updated":      "prov:patch:notice@/Users/u1",
		"group.joined":        "",
	} {
		e := event(kind)
		p, err := readPayload(e)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		seen := map[string]bool{}
		for _, token := range tokens(s, "https://rollcall.acme.com", e, &p, users) {
			c := claimsOf(s, "https://rollcall.acme.com", e, &p, &token)
			name := strings.TrimPrefix(strings.TrimPrefix(token.event, uriSCIM), "https://schemas.openid.net/secevent/caep/event-type/")
			got = append(got, name+"@"+c.SubID["sub"]+c.SubID["uri"])
			if seen[c.JTI] || c.Txn != "run-1" || c.Aud != s.Audience || c.Iat != 1795248000 || len(c.Events) != 1 {
				t.Errorf("%s: %+v", kind, c)
			}
			seen[c.JTI] = true
			if strings.HasSuffix(token.event, ":full") {
				t.Errorf("%s is a full form", token.event)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", kind, got, want)
		}
	}
	for _, c := range []struct {
		send []string
		n    int
	}{{[]string{sendCAEP}, 1}, {[]string{sendSCIM}, 3}} {
		one := *s
		one.Send = c.send
		e := event("member.deactivated")
		if got := tokens(&one, "", e, &payload{}, users); len(got) != c.n {
			t.Errorf("%v: %d tokens", c.send, len(got))
		}
	}
}

// TestSignedClaims looks at a whole token as its receiver does.
func TestSignedClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	key, ref := signingKey(t)
	s := &signer{ref: ref, store: w.store, now: time.Now, published: map[string]time.Time{}}
	st := &Stream{ID: "siem", Audience: "https://siem.acme.com"}
	e := &store.EventRow{
		ID: "evt_1", SubjectType: "member", Subject: "m1", Type: "member.deactivated", Leaver: true, At: workspace.At(time.Unix(1795248000, 5000)),
		Body: []byte(`{"data":{"cause":{"connection":"okta","run":"run-1"}}}`),
	}
	p, err := readPayload(e)
	if err != nil {
		t.Fatal(err)
	}
	token := tokens(st, "https://rollcall.acme.com", e, &p, nil)[0]
	first, err := s.sign(t.Context(), claimsOf(st, "https://rollcall.acme.com", e, &p, &token))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.sign(t.Context(), claimsOf(st, "https://rollcall.acme.com", e, &p, &token))
	if err != nil || second != first {
		t.Errorf("the token is another one on another try: %v", err)
	}
	if !verifies(t, first, &key.PublicKey) {
		t.Error("it does not verify")
	}
	public, err := publicJWK(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"alg": "ES256", "kid": public.KID, "typ": "secevent+jwt"}, decode(t, first, 0)); diff != "" {
		t.Error(diff)
	}
	want := map[string]any{
		"iss": "https://rollcall.acme.com", "iat": 1795248000.0, "jti": "evt_1.session", "aud": "https://siem.acme.com", "txn": "run-1",
		"sub_id": map[string]any{"format": "iss_sub", "iss": "https://rollcall.acme.com", "sub": "m1"},
		"events": map[string]any{uriSessionRevoked: map[string]any{
			"event_timestamp": 1795248000.0, "initiating_entity": "policy",
			"reason_admin": map[string]any{"en": "access ended"},
		}},
	}
	if diff := cmp.Diff(want, decode(t, first, 1)); diff != "" {
		t.Error(diff)
	}
	for _, forbidden := range []string{"exp", "sub"} {
		if _, ok := decode(t, first, 1)[forbidden]; ok {
			t.Errorf("the token has %s (ST1)", forbidden)
		}
	}
}
