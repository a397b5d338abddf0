package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestStoreAway kills the database under a running daemon: it stays alive, says
// that it is not ready and why, refuses requests with 503 and Retry-After, still
// has metrics; once the database is back it is ready by itself, and what was
// refused can be sent again and is told (DU2, FT02).
func TestStoreAway(t *testing.T) {
	server, err := pgtest.Start(pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	w := onPostgres(t, server)
	w.start()
	defer w.kill()
	get := func(url string) (int, string, http.Header) {
		t.Helper()
		client := http.Client{Timeout: 15 * time.Second}
		answer, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text), answer.Header
	}
	want := func(path string, status int) string {
		t.Helper()
		got, text, _ := get(w.admin + path)
		if got != status {
			t.Errorf("%s: %d, want %d: %s", path, got, status, text)
		}
		return text
	}
	want("/livez", 200)
	want("/readyz", 200)
	if text := want("/metrics", 200); !strings.Contains(text, `rollcall_store_readable{workspace="acme"} 1`) || !strings.Contains(text, `rollcall_findings_open{code="F19",severity="high",workspace="acme"} 0`) {
		t.Errorf("metrics:\n%s", text)
	}
	bob := fmt.Sprintf(killCreate, "bob@acme.com", "bob", "bob@acme.com", 1)
	if status, body := w.send(http.MethodPost, "/Users", bob); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}

	if err := server.Crash(); err != nil {
		t.Fatal(err)
	}
	w.until("it says that it is not ready", func() bool { status, _, _ := get(w.admin + "/readyz"); return status == http.StatusServiceUnavailable })
	want("/livez", 200)
	if text := want("/readyz", 503); strings.TrimSpace(text) == "" {
		t.Error("/readyz does not say why")
	}
	if text := want("/metrics", 200); !strings.Contains(text, `rollcall_store_readable{workspace="acme"} 0`) || !strings.Contains(text, "rollcall_scim_requests_total") {
		t.Errorf("metrics without a store:\n%s", text)
	}
	status, body := w.send(http.MethodPost, "/Users", strings.ReplaceAll(bob, "bob", "eve"))
	if status != http.StatusServiceUnavailable || strings.Contains(body, "SQLSTATE") || strings.Contains(body, "connect") {
		t.Errorf("a request without a store: %d %s", status, body)
	}

	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	w.until("it is ready again", func() bool { status, _, _ := get(w.admin + "/readyz"); return status == http.StatusOK })
	t.Logf("ready %s after the server", time.Since(began).Round(10*time.Millisecond))
	if status, body := w.send(http.MethodPost, "/Users", strings.ReplaceAll(bob, "bob", "eve")); status != http.StatusCreated {
		t.Errorf("sent again: %d %s", status, body)
	}
	w.settled()
	w.check()
}
