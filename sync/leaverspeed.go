package sync

import (
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// speedWindow is the time over which a report says how fast a connection is.
const speedWindow = workspace.Micros(30 * 24 * 60 * 60 * 1_000_000)

// speedRows bounds what is looked at for it: the newest count.
const speedRows = 10_000

// LeaverSpeed is how long the stages of ending access took at one connection.
type LeaverSpeed struct {
	Window  string    `json:"window"`
	Leavers int       `json:"leavers"`
	Revoke  Quantiles `json:"revoke"`  // T2-T1: seen to committed
	Deliver Quantiles `json:"deliver"` // T3-T2: committed to acknowledged by every receiver
	Verify  Quantiles `json:"verify"`  // T4-T2: committed to read back everywhere
}

// Quantiles are of N times in milliseconds; all zero when N is.
type Quantiles struct {
	N   int   `json:"n"`
	P50 int64 `json:"p50_ms"`
	P95 int64 `json:"p95_ms"`
	P99 int64 `json:"p99_ms"`
}

// LeaverSpeeds tells how fast access ended since a moment, by connection; ""
// is people and the clock. Of very many the newest count.
func LeaverSpeeds(r *store.Reader, since workspace.Micros) (map[string]LeaverSpeed, error) {
	rows, err := r.LeaversSince(since, speedRows)
	if err != nil {
		return nil, err
	}
	type times struct{ revoke, deliver, verify []workspace.Micros }
	of := map[string]*times{}
	for i := range rows {
		v := &rows[i]
		t := of[v.Connection]
		if t == nil {
			t = &times{}
			of[v.Connection] = t
		}
		t.revoke = append(t.revoke, v.T2-v.T1)
		if v.T3 > 0 {
			t.deliver = append(t.deliver, v.T3-v.T2)
		}
		if v.T4 > 0 {
			t.verify = append(t.verify, v.T4-v.T2)
		}
	}
	out := map[string]LeaverSpeed{}
	for connection, t := range of {
		out[connection] = LeaverSpeed{Leavers: len(t.revoke), Revoke: quantiles(t.revoke), Deliver: quantiles(t.deliver), Verify: quantiles(t.verify)}
	}
	return out, nil
}

// quantiles gives the nearest ranks; a time before its beginning, by clocks
// that differ between replicas, counts as none.
func quantiles(times []workspace.Micros) Quantiles {
	n := len(times)
	if n == 0 {
		return Quantiles{}
	}
	slices.Sort(times)
	at := func(percent int) int64 { return max(0, int64(times[(n*percent+99)/100-1])/1000) }
	return Quantiles{N: n, P50: at(50), P95: at(95), P99: at(99)}
}
