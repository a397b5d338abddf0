package ldap

import (
	"context"

	"github.com/rollcall-sync/rollcall/sync"
)

// TellTale reads the one value that changes whenever anything does, on the
// kept connection, and compares it with the cursor's. A server without one,
// another server or a cursor that cannot be read count as changed.
func (s *Source) TellTale(ctx context.Context, since sync.Cursor) (mark string, changed bool, err error) {
	if err := s.enter(ctx); err != nil {
		return "", true, err
	}
	defer s.leave()
	if s.cfg.file() {
		return s.tellTaleDump(since)
	}
	l, err := s.link(ctx)
	if err != nil {
		return "", true, err
	}
	r, err := s.newReader(l)
	if err != nil {
		return "", true, err
	}
	if mark, err = r.mark(ctx); err != nil {
		return "", true, err
	}
	at, err := readPosition(since, r.plan.scope(&r.cfg))
	if err != nil {
		return mark, true, nil // a cursor that is gone asks for a Full, which tells why
	}
	return mark, mark == "" || mark != at.Mark || at.Stage != "" || at.Server != l.root.server, nil
}
