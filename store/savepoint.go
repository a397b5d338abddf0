package store

import "errors"

const (
	sqlPart         = `SAVEPOINT part`
	sqlPartBack     = `ROLLBACK TO SAVEPOINT part`
	sqlPartReleased = `RELEASE SAVEPOINT part`
)

// Savepoint runs a part of a unit that may fail by itself: what the part
// wrote is rolled back with its error, which is returned unchanged, and the
// unit goes on. When the database itself is lost the unit is lost too
// (ErrUnavailable). Parts may be nested.
func (t *Tx) Savepoint(part func() error) error {
	if err := t.exec(sqlPart); err != nil {
		return err
	}
	err := part()
	if err == nil && t.failed == nil {
		err = t.settle(everywhere)
	}
	if err == nil && t.failed == nil {
		return t.exec(sqlPartReleased)
	}
	if isUnavailable(t.failed) {
		return t.failed
	}
	if err == nil {
		err = t.failed
	}
	t.failed = nil
	t.dropBehind()
	if rerr := t.exec(sqlPartBack); rerr != nil {
		return errors.Join(rerr, err)
	}
	if rerr := t.exec(sqlPartReleased); rerr != nil {
		return errors.Join(rerr, err)
	}
	return err
}
