package grant

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// OD4, RFC 9449 section 8: a nonce belongs to the server that gave it, and is
// text that a header may carry.
func TestNonces(t *testing.T) {
	t.Parallel()
	p, err := newProver(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) *url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	idp, other := at("https://idp.acme.com/token"), at("https://api.acme.com/users")
	for _, bad := range []string{"", "a b", "a\nb", "ä", strings.Repeat("n", 1025)} {
		if p.learn(idp, http.Header{"Dpop-Nonce": {bad}}) || p.nonce(idp) != "" {
			t.Errorf("%q is learnt", bad)
		}
	}
	if !p.learn(idp, http.Header{"Dpop-Nonce": {"n1"}}) || p.learn(idp, http.Header{"Dpop-Nonce": {"n1"}}) {
		t.Error("a nonce is new once")
	}
	if p.nonce(at("https://idp.acme.com/other")) != "n1" || p.nonce(other) != "" || !p.learn(other, http.Header{"Dpop-Nonce": {"n1"}}) {
		t.Error("a nonce belongs to its server")
	}
}
