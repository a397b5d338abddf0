package store

import "github.com/rollcall-sync/rollcall/workspace"

// SupportRow is one supporter of a grant (mapping section 5).
type SupportRow struct {
	Member, Kind, Object, By string
	Value                    string // role, access, end date
	Connection, Source       string
	Run, Author              string
	Since, Confirmed, Until  workspace.Micros
}

// ExceptionRow is a person's exception from a row (MP3).
type ExceptionRow struct {
	Member, Kind, Object, Rule, By, Reason string
	At, Until                              workspace.Micros
}

const (
	selectSupports = `SELECT member_id, kind, object_id, given_by, value, connection_id, source, run_id, author, since,
		confirmed_at, until FROM support WHERE workspace_id = ? AND member_id = ?
		ORDER BY kind, object_id, given_by`
	putSupport = `INSERT INTO support (workspace_id, member_id, kind, object_id, given_by, value, connection_id, source,
		run_id, author, since, confirmed_at, until) VALUES `
	orPutSupport = ` ON CONFLICT (workspace_id, member_id, kind, object_id, given_by) DO UPDATE SET value = excluded.value,
		connection_id = excluded.connection_id, source = excluded.source, run_id = excluded.run_id,
		author = excluded.author, confirmed_at = excluded.confirmed_at, until = excluded.until`
	deleteSupport = `DELETE FROM support
		WHERE workspace_id = ? AND member_id = ? AND kind = ? AND object_id = ? AND given_by = ?`
	deleteSupports   = `DELETE FROM support WHERE workspace_id = ? AND member_id = ?`
	selectExceptions = `SELECT member_id, kind, object_id, rule, made_by, reason, made_at, until FROM exception
		WHERE workspace_id = ? AND member_id = ? ORDER BY kind, object_id, rule`
	putException = `INSERT INTO exception (workspace_id, member_id, kind, object_id, rule, made_by, reason, made_at,
		until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, member_id, kind, object_id, rule) DO UPDATE SET made_by = excluded.made_by,
		reason = excluded.reason, made_at = excluded.made_at, until = excluded.until`
	// An Owner's role is no clock's to take.
	selectDueSupports = `SELECT DISTINCT s.member_id FROM support s
		JOIN member m ON m.workspace_id = s.workspace_id AND m.member_id = s.member_id
		WHERE s.workspace_id = ? AND s.until > 0 AND s.until <= ? AND s.given_by = 'manual' AND s.kind <> 'end'
		AND m.state = 'active' AND NOT m.break_glass AND (s.kind <> 'role' OR m.role <> 'owner')
		ORDER BY s.member_id LIMIT CAST(? AS BIGINT)`
	deleteExceptions = `DELETE FROM exception WHERE workspace_id = ? AND member_id = ?`
)

func scanSupport(s scanner, v *SupportRow) error {
	return s.Scan(&v.Member, &v.Kind, &v.Object, &v.By, &v.Value, &v.Connection, &v.Source, &v.Run, &v.Author, &v.Since,
		&v.Confirmed, &v.Until)
}

func scanException(s scanner, v *ExceptionRow) error {
	return s.Scan(&v.Member, &v.Kind, &v.Object, &v.Rule, &v.By, &v.Reason, &v.At, &v.Until)
}

// Supports lists the supporters of a member's grants, by kind, object and
// giver.
func (r *Reader) Supports(member string) ([]SupportRow, error) {
	return list(r, scanSupport, selectSupports, r.ws, member)
}

// DueSupports lists active members who hold something that a person gave
// until a date which has passed at a moment, by id, up to limit. A break-glass
// Owner and the role of an Owner are left out.
func (r *Reader) DueSupports(at workspace.Micros, limit int) ([]string, error) {
	return list(r, scanOne[string], selectDueSupports, r.ws, at, limit)
}

// PutSupport inserts or replaces a supporter (Since is kept on replace).
func (t *Tx) PutSupport(s SupportRow) error {
	b := &t.behind
	if t.failed != nil {
		return t.failed
	}
	key := supportKey{s.Member, s.Kind, s.Object, s.By}
	if i, ok := b.supportAt[key]; ok {
		s.Since = b.supports[i].Since
		b.supports[i] = s
		return nil
	}
	put(&b.supportAt, key, len(b.supports))
	b.supports = append(b.supports, s)
	b.waits |= inSupport
	return nil
}

func (t *Tx) writeSupports(all []SupportRow) error {
	const columns = 13
	return t.tuples(len(all), columns, func(from, size int, values string) error {
		args := make([]any, 0, size*columns)
		for i := range all[from : from+size] {
			s := &all[from+i]
			args = append(args, t.ws, s.Member, s.Kind, s.Object, s.By, s.Value, s.Connection, s.Source, s.Run, s.Author,
				s.Since, s.Confirmed, s.Until)
		}
		return t.exec(putSupport+values+orPutSupport, args...)
	})
}

// DeleteSupport removes one supporter, if it is there.
func (t *Tx) DeleteSupport(member, kind, object, by string) error {
	return t.exec(deleteSupport, t.ws, member, kind, object, by)
}

// DeleteSupports removes all supporters of a member.
func (t *Tx) DeleteSupports(member string) error { return t.exec(deleteSupports, t.ws, member) }

// Exceptions lists a member's exceptions, those that have ended too.
func (r *Reader) Exceptions(member string) ([]ExceptionRow, error) {
	return list(r, scanException, selectExceptions, r.ws, member)
}

// PutException writes an exception, or replaces the one for the same row.
func (t *Tx) PutException(e ExceptionRow) error {
	t.none.exceptions = false
	return t.exec(putException, t.ws, e.Member, e.Kind, e.Object, e.Rule, e.By, e.Reason, e.At, e.Until)
}

// DeleteExceptions removes all exceptions of a member.
func (t *Tx) DeleteExceptions(member string) error { return t.exec(deleteExceptions, t.ws, member) }
