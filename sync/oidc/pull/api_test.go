package pull

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// answeredBy is a source whose API is a function, and what it paused for.
func answeredBy(t *testing.T, rate int, answer http.HandlerFunc) (*Source, *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("canary-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.ParseRef("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := oidc.Config{
		Issuer: server.URL, AllowPrivateNetworks: []string{"127.0.0.0/8"},
		Directory: oidc.DirectoryConfig{Kind: oidc.SCIM, APIBase: server.URL, Rate: rate, Auth: oidc.DirectoryAuth{Method: "bearer", Token: ref}},
	}
	var waits []time.Duration
	s, err := newSource(cfg, Options{Connection: "dir", Pause: func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s, &waits
}

// TestAPIAnswers (OD3, ON1, OI6): which answers are waited for, which are tried
// again, and which end the run at once.
func TestAPIAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		head   [2]string
		asked  int
		says   string
	}{
		"a redirect":               {302, [2]string{"Location", "/elsewhere"}, 1, errRedirect.Error()},
		"a redirect for good":      {308, [2]string{"Location", "https://thief.example/"}, 1, errRedirect.Error()},
		"503":                      {503, [2]string{}, maxTries, "in trouble: 503"},
		"503 that asks for a wait": {503, [2]string{"Retry-After", "3600"}, 1, "until"},
		"429 that asks for a wait": {429, [2]string{"Retry-After", "3600"}, 1, "until"},
		"401, with a new token":    {401, [2]string{}, 2, "refuses a new token too"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			s, _ := answeredBy(t, 10_000, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				if c.head[0] != "" {
					w.Header().Set(c.head[0], c.head[1])
				}
				w.WriteHeader(c.status)
			})
			_, err := s.api.get(t.Context(), s.api.url("Users", nil), nil)
			if err == nil || !strings.Contains(err.Error(), c.says) || asked != c.asked {
				t.Errorf("asked %d times, want %d: %v", asked, c.asked, err)
			}
		})
	}
	s, _ := answeredBy(t, 10_000, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range oidc.MaxPage>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return // whoever reads has had enough
			}
		}
	})
	_, err := s.api.get(t.Context(), s.api.url("Users", nil), nil)
	var incomplete *sync.IncompleteError
	if !errors.As(err, &incomplete) || !strings.Contains(err.Error(), "page_size") {
		t.Errorf("a page without end: %v", err)
	}
}

// TestRateOfAnAPI (OD3): half of the published limit, lowered by the host's own
// word; what was configured stays.
func TestRateOfAnAPI(t *testing.T) {
	t.Parallel()
	limits := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Rate-Limit-Limit", "60") }
	for rate, want := range map[int][2]float64{0: {kinds[oidc.SCIM].limit / 2, 0.5}, 7: {7, 7}} {
		s, _ := answeredBy(t, rate, limits)
		if got := s.api.bucket.rate; got != want[0] {
			t.Errorf("rate %d: %v requests a second, want %v", rate, got, want[0])
		}
		if _, err := s.api.get(t.Context(), s.api.url("Users", nil), nil); err != nil {
			t.Fatal(err)
		}
		if got := s.api.bucket.rate; got != want[1] {
			t.Errorf("rate %d: %v requests a second after the host's word, want %v", rate, got, want[1])
		}
	}
}

// TestEntryLimit (RD9): a run reads so many entries and no more.
func TestEntryLimit(t *testing.T) {
	t.Parallel()
	r := &reader{entries: maxEntries - 1}
	if err := r.count(1); err != nil {
		t.Error(err)
	}
	if err := r.count(1); err == nil || !strings.Contains(err.Error(), "RD9") {
		t.Errorf("one more: %v", err)
	}
}
