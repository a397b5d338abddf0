package admission

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// TestLastUsesForget: tokens that live for an hour each are not remembered for
// ever, and a busy one costs a write a minute.
func TestLastUsesForget(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + t.TempDir() + "/uses.db", AutoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	u := NewLastUses(s, slog.New(slog.DiscardHandler))
	now := time.Unix(1_700_000_000, 0)
	for hour := range 5 {
		at := now.Add(time.Duration(hour) * time.Hour)
		for i := range 3 {
			u.Used(fmt.Sprintf("token-%d", hour), at.Add(time.Duration(i)*time.Second))
			if err := u.write(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := u.known[fmt.Sprintf("token-%d", hour)]; !got.Equal(at) {
				t.Errorf("written as of %v, want %v: one write a minute", got, at)
			}
		}
	}
	if len(u.known) != 1 {
		t.Errorf("%d tokens are remembered, want the last one", len(u.known))
	}
	if err := u.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
