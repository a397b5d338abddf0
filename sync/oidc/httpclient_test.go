package oidc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/safedial"
)

func get(t *testing.T, c *http.Client, url string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), errors.Join(err, res.Body.Close())
}

func loopbackClient(t *testing.T, most int64) *http.Client {
	t.Helper()
	c, err := NewClient(ClientOptions{AllowPrivateNetworks: []string{"127.0.0.0/8"}, MaxBody: most})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// OI6: a body longer than its bound is an error, not an end; one of exactly
// the bound is whole.
func TestClientBoundsBodies(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(w, strings.Repeat("x", n)); err != nil && n < 2000 {
			t.Error(err)
		}
	}))
	defer server.Close()
	c := loopbackClient(t, 1000)
	for _, n := range []int{0, 1, 999, 1000} {
		if _, body, err := get(t, c, server.URL+"/"+strconv.Itoa(n)); err != nil || len(body) != n {
			t.Errorf("%d bytes: got %d, %v", n, len(body), err)
		}
	}
	for _, n := range []int{1001, 5000, 1 << 20} {
		if _, body, err := get(t, c, server.URL+"/"+strconv.Itoa(n)); !errors.Is(err, ErrTooLarge) || len(body) > 1000 {
			t.Errorf("%d bytes: got %d, %v", n, len(body), err)
		}
	}
}

// OI6: a redirect is not followed: it would take a token elsewhere.
func TestClientFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/next" {
			followed.Store(true)
		}
		http.Redirect(w, r, "/next", http.StatusFound)
	}))
	defer server.Close()
	status, _, err := get(t, loopbackClient(t, 0), server.URL)
	if err != nil || status != http.StatusFound || followed.Load() {
		t.Errorf("status %d, followed %t, %v", status, followed.Load(), err)
	}
}

// ON2: addresses of the own network are called only if they are named.
func TestClientRefusesPrivateNetworks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c, err := NewClient(ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, c, server.URL); !errors.Is(err, safedial.ErrRefused) {
		t.Errorf("loopback: %v", err)
	}
	if _, _, err := get(t, loopbackClient(t, 0), "https://10.1.2.3/"); !errors.Is(err, safedial.ErrRefused) {
		t.Errorf("a network that is not named: %v", err)
	}
	junk := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(ClientOptions{CA: "file:" + junk}); err == nil {
		t.Error("a file without an authority is taken")
	}
	if _, err := NewClient(ClientOptions{AllowPrivateNetworks: []string{"10.0.0.1"}}); err == nil {
		t.Error("a range that is none is taken")
	}
}

// OI6: a provider that never answers costs the time of one call.
func TestClientHasDeadline(t *testing.T) {
	t.Parallel()
	c := loopbackClient(t, 0)
	if c.Timeout != CallTimeout {
		t.Errorf("timeout %s", c.Timeout)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err == nil {
		err = res.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
