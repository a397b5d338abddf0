package ldap

import (
	"context"
	"errors"
	"os"
)

// TellTale reads the one value that changes whenever anything does, on the
// kept connection. The mark holds server, directory and scope, so that another
// one counts as changed: who corrects a filter waits for no sweep (CU3). "" is
// no mark: this server or account has no such value, and nobody knows whether
// anything changed.
func (s *Source) TellTale(ctx context.Context) (string, error) {
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.leave()
	if s.cfg.file() {
		return s.tellTaleDump()
	}
	l, err := s.link(ctx)
	if err != nil {
		return "", err
	}
	r, err := s.newReader(l)
	if err != nil {
		return "", err
	}
	mark, err := r.mark(ctx)
	if err != nil {
		return "", err
	}
	if mark == "" {
		return "", nil
	}
	return mark + "@" + l.root.server + "/" + l.root.tenant + r.plan.scopeMark(&s.cfg), nil
}

func (s *Source) tellTaleDump() (string, error) {
	d, err := s.openDump()
	if err != nil {
		return "", err
	}
	info, err := d.stat()
	if err != nil {
		return "", err
	}
	mark := stamp(info)
	// A checksum file that comes later may vouch for the same dump.
	sum, err := os.Stat(s.path() + ".sha256")
	switch {
	case err == nil:
		mark += "+" + stamp(sum)
	case !errors.Is(err, os.ErrNotExist):
		return "", err
	}
	return mark + d.plan.scopeMark(&s.cfg), nil
}
