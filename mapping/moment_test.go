package mapping

import (
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// TestEndOfDay: a default end lies so many days of the calendar ahead, also
// where a clock change makes one of them shorter or longer.
func TestEndOfDay(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for _, tt := range []struct {
		now  string
		span time.Duration
		want string // the first moment that is over
	}{
		{"2026-01-10T12:00:00", 14 * day, "2026-01-25T00:00:00"},
		{"2026-03-01T23:30:00", 90 * day, "2026-05-31T00:00:00"}, // an hour is left out on 29 March
		{"2026-10-01T00:30:00", 90 * day, "2026-12-31T00:00:00"}, // one comes twice on 25 October
		{"2026-01-10T12:00:00", 36 * time.Hour, "2026-01-13T00:00:00"},
	} {
		now, err := time.ParseInLocation("2006-01-02T15:04:05", tt.now, oslo)
		if err != nil {
			t.Fatal(err)
		}
		got := endOfDay(workspace.At(now), tt.span, oslo).Time().In(oslo).Format("2006-01-02T15:04:05")
		if got != tt.want {
			t.Errorf("%s and %s: %s, want %s", tt.now, tt.span, got, tt.want)
		}
	}
}
