package scim

import (
	"errors"

	"github.com/rollcall-sync/rollcall/workspace"
)

// How often a write is done at most that loses the race for a version.
const (
	maxTries = 3
	// Members of a group come and go without waiting for anybody, each with a
	// new version, and a rename among a dozen of them loses more than once.
	maxGroupTries = 12
)

// swap does a write that reads, changes and compares a version until no other
// came between, so many times at most (scim section 4.6). A client that named
// the version itself hears of the loss instead: 412 with the present one, which
// version reads. What has been answered already is not done again.
func (x *exchange) swap(tries int, write func() error, version func() (int64, error)) error {
	for try := 1; ; try++ {
		err := write()
		if x.begun || !errors.Is(err, workspace.ErrStale) {
			return err
		}
		if x.conditional() {
			now, readErr := version()
			if readErr != nil {
				return readErr
			}
			return errPreconditionFailed(ETag(now)).causedBy(err)
		}
		if try >= tries {
			return err
		}
	}
}
