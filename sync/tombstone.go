package sync

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Kinds of tombstone: what was hashed.
const (
	tombstoneID    = "id"
	tombstoneEmail = "email"
)

// tombstoneValue hides a value under the workspace's key: a tombstone survives
// erasure, so it holds no plain data.
func (s *space) tombstoneValue(kind, connection, value string) string {
	mac := hmac.New(sha256.New, s.tombstoneKey)
	fmt.Fprintf(mac, "%s\x00%s\x00%s", kind, connection, value)
	return hex.EncodeToString(mac.Sum(nil))
}

// immutable is the id by which a source knows a person for ever.
func immutable(i workspace.Identity) string { return orElse(i.ExternalID, i.ID) }

// tombstone looks for a deprovisioned identity that a change would bring
// back (I9). The text names it, "" if none objects. Lawful tells that the
// same immutable id is stated enabled by the connection that ended it.
func (u *unit) tombstone(p *person, email string) (text string, lawful bool, err error) {
	mine := u.s.tombstoneValue(tombstoneID, u.conn.ID, immutable(p.trigger))
	values := []string{mine}
	if email != "" {
		values = append(values, u.s.tombstoneValue(tombstoneEmail, "", email))
	}
	rows, err := u.tx.Tombstones(values)
	if err != nil || len(rows) == 0 {
		return "", false, err
	}
	lawful = true
	for _, r := range rows {
		if r.Value == mine {
			lawful = lawful && !r.ByPerson && r.Connection == u.conn.ID
		} else if r.Member != p.trigger.Member {
			lawful = false
		}
	}
	r := rows[0]
	return fmt.Sprintf("access was ended by %s on %s", r.Cause, r.At.Time().Format("2006-01-02")), lawful, nil
}

// recycled reports whether a newcomer has an address that was a leaver's, who
// has another one since or is removed: somebody else, until a person says so
// (leavers-and-events section 7, RB5). Whose own id was ended is no newcomer.
func (u *unit) recycled(p *person) (bool, error) {
	key := emailKey(p.want.Email)
	if key == "" {
		return false, nil
	}
	mine, err := u.tx.Tombstones([]string{u.s.tombstoneValue(tombstoneID, u.conn.ID, immutable(p.trigger))})
	if err != nil || len(mine) > 0 {
		return false, err
	}
	rows, err := u.tx.Tombstones([]string{u.s.tombstoneValue(tombstoneEmail, "", key)})
	return len(rows) > 0, err
}

// bury writes the tombstones of a leaver: every immutable id and address.
func (u *unit) bury(m workspace.Member, identities []workspace.Identity, c workspace.Cause) effect {
	cause := orElse(c.Connection, "a person")
	if c.Kind == workspace.CauseTimer {
		cause = "its end date"
	}
	byPerson := c.Kind == workspace.CauseEdit
	values := map[string]string{u.s.tombstoneValue(tombstoneEmail, "", m.EmailKey): tombstoneEmail}
	for _, i := range identities {
		values[u.s.tombstoneValue(tombstoneID, i.Connection, immutable(i))] = tombstoneID
		if i.Email != "" {
			values[u.s.tombstoneValue(tombstoneEmail, "", emailKey(i.Email))] = tombstoneEmail
		}
	}
	return func(tx *store.Tx) error {
		for _, v := range sortedKeys(values) {
			if err := tx.PutTombstone(store.TombstoneRow{
				Value: v, Kind: values[v], Member: m.ID, Cause: cause, Connection: c.Connection, ByPerson: byPerson, At: u.now,
			}); err != nil {
				return err
			}
		}
		return nil
	}
}
