package events

import "time"

// Metrics are the counters of delivery. Every method may be called from many
// goroutines; sink is the id in the configuration, so labels stay few.
type Metrics interface {
	// Tried counts one attempt; outcome is acked, failed, dead or gone.
	Tried(sink, outcome string)
	// Delivered tells how long after its commit an event was acknowledged
	// (T3-T2).
	Delivered(sink string, leaver bool, lag time.Duration)
	// Verified tells how long after its acknowledgement a leaver's end was
	// proved at the sink (T4-T3).
	Verified(sink string, lag time.Duration)
	// Waiting is the number of leaver events of a workspace that some sink has
	// not acknowledged for five minutes (F19).
	Waiting(workspace string, overdue int)
}

// discard counts nothing.
type discard struct{}

func (discard) Tried(string, string)                  {}
func (discard) Delivered(string, bool, time.Duration) {}
func (discard) Verified(string, time.Duration)        {}
func (discard) Waiting(string, int)                   {}
