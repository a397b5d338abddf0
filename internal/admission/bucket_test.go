package admission

import (
	"fmt"
	"testing"
	"time"
)

// TestNamesAreBounded: a flood of addresses costs no memory.
func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	a := NewBuckets(1, 20)
	now := time.Now()
	for i := range 3 * maxNames {
		a.Take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if len(a.all) > maxNames {
		t.Errorf("%d names are remembered", len(a.all))
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	a := NewBuckets(2, 3)
	now := time.Unix(1_700_000_000, 0)
	for i, step := range []struct {
		name string
		wait time.Duration // to pass before the try
		want time.Duration // the wait that is answered, 0: let in
	}{
		{"2001:db8::1", 0, 0},
		{"2001:db8::2", 0, 0},
		{"2001:db8::ffff:1", 0, 0},
		{"2001:db8::4", 0, 500 * time.Millisecond}, // one subscriber
		{"2001:db8:0:1::1", 0, 0},
		{"192.0.2.1", 0, 0},
		{"token-1", 0, 0},
		{"2001:db8::1", 250 * time.Millisecond, 250 * time.Millisecond},
		{"2001:db8::1", 250 * time.Millisecond, 0},
		{"2001:db8::1", -time.Hour, 500 * time.Millisecond}, // a clock put back gives nothing
	} {
		now = now.Add(step.wait)
		wait, ok := a.Take(step.name, now)
		if ok != (step.want == 0) || wait != step.want {
			t.Errorf("step %d, %s: %v, %v; want %v", i, step.name, ok, wait, step.want)
		}
	}
}
