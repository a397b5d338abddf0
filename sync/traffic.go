package sync

import (
	"sync/atomic"
	"time"
)

// Traffic is what a source has asked and been told since it was made.
type Traffic struct {
	Requests  int
	Bytes     int64 // of answers, uncompressed
	Referrals int   // references to other servers, none of them followed
	Throttled time.Duration
}

// Metered is a source whose traffic a run's report tells. Traffic is safe for
// concurrent use.
type Metered interface {
	Traffic() Traffic
}

// Meter counts for a Metered source. Its zero value is ready; it is safe for
// concurrent use.
type Meter struct {
	requests, bytes, referrals, throttled atomic.Int64
}

// Asked counts a request.
func (m *Meter) Asked() { m.requests.Add(1) }

// Answered counts the bytes of an answer.
func (m *Meter) Answered(bytes int) { m.bytes.Add(int64(bytes)) }

// Referred counts a reference to another server.
func (m *Meter) Referred() { m.referrals.Add(1) }

// Throttled counts time that was waited because the host asked for it.
func (m *Meter) Throttled(d time.Duration) { m.throttled.Add(int64(d)) }

// Traffic is what has been counted.
func (m *Meter) Traffic() Traffic {
	return Traffic{
		Requests: int(m.requests.Load()), Bytes: m.bytes.Load(), Referrals: int(m.referrals.Load()), Throttled: time.Duration(m.throttled.Load()),
	}
}

// trafficOf is a source's traffic; nothing for one that does not count.
func trafficOf(s Source) Traffic {
	if m, ok := s.(Metered); ok {
		return m.Traffic()
	}
	return Traffic{}
}
