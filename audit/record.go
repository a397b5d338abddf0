package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// Value is a value in a record: in clear where Clear is allowed, else a
// commitment to it (reports-and-audit 7.3).
type Value struct {
	clear  string
	commit string
	set    bool
}

// MarshalJSON writes null, a string, or {"c": commitment}.
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case !v.set:
		return []byte("null"), nil
	case v.commit != "":
		return json.Marshal(struct {
			C string `json:"c"`
		}{v.commit})
	default:
		return json.Marshal(v.clear)
	}
}

// Opened is a committed value with what opens it; it is kept apart from the
// log, so that erasing it leaves the log's proofs valid.
type Opened struct {
	Commitment, Attr, Salt, Value string
}

// EncodeOpened writes what opens a record: [[attr, salt, value], ...]; nil for
// nothing. The commitments follow from that.
func EncodeOpened(all []Opened) ([]byte, error) {
	if len(all) == 0 {
		return nil, nil
	}
	rows := make([][3]string, 0, len(all))
	for _, o := range all {
		rows = append(rows, [3]string{o.Attr, o.Salt, o.Value})
	}
	return json.Marshal(rows)
}

// DecodeOpened reads what EncodeOpened writes, with the commitments that the
// values open.
func DecodeOpened(body []byte) ([]Opened, error) {
	if len(body) == 0 {
		return nil, nil
	}
	var rows [][3]string
	if err := json.Unmarshal(body, &rows); err != nil {
		return nil, fmt.Errorf("opened values: %w", err)
	}
	all := make([]Opened, 0, len(rows))
	for _, r := range rows {
		salt, err := hex.DecodeString(r[1])
		if err != nil {
			return nil, fmt.Errorf("opened values: salt of %s: %w", r[0], err)
		}
		all = append(all, Opened{Commitment: commitment(salt, r[0], r[2]), Attr: r[0], Salt: r[1], Value: r[2]})
	}
	return all, nil
}

// clearAttrs may stand in records as they are: ids, kinds, role, state,
// access, ring place, ownership and times. All else is committed.
var clearAttrs = map[string]bool{
	"role": true, "state": true, "access": true, "ring": true, "owner": true, "contained": true,
	"epoch": true, "member": true, "number": true, "group": true, "access_end": true, "until": true,
	"primary": true, "grace_until": true, "notify": true, "pool": true, "type": true,
}

// Committer turns values into record values and collects what opens them.
// It is used for one unit of work by one goroutine. Salts come from one
// random read of 32 bytes per committed value.
type Committer struct {
	Opened []Opened
	// Random is the source of salts; nil is crypto/rand.
	Random io.Reader
}

// Value gives the record's form of an attribute's value; nil is null.
func (c *Committer) Value(attr string, v *string) (Value, error) {
	if v == nil {
		return Value{}, nil
	}
	if clearAttrs[attr] {
		return Value{clear: *v, set: true}, nil
	}
	random := c.Random
	if random == nil {
		random = rand.Reader
	}
	salt := make([]byte, 32)
	if _, err := io.ReadFull(random, salt); err != nil {
		return Value{}, err
	}
	com := commitment(salt, attr, *v)
	c.Opened = append(c.Opened, Opened{Commitment: com, Attr: attr, Salt: hex.EncodeToString(salt), Value: *v})
	return Value{commit: com, set: true}, nil
}

// commitment is base64(SHA-256(salt || attr || 0x00 || value)).
func commitment(salt []byte, attr, value string) string {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(attr))
	h.Write([]byte{0})
	h.Write([]byte(value))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Record is one change in the log. Its JSON is stored and hashed as written.
type Record struct {
	V        int        `json:"v"`
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	Actor    Actor      `json:"actor"`
	Target   Target     `json:"target"`
	Member   string     `json:"member,omitempty"`
	Modified []Modified `json:"modified"`
	Verdict  string     `json:"verdict"`
	Row      string     `json:"row,omitempty"`
	Rule     string     `json:"rule,omitempty"`
	Outcome  string     `json:"outcome"`
	Class    string     `json:"class,omitempty"`
	Approver string     `json:"approver,omitempty"`
}

// Actor is who changed something, by id only.
type Actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Role string `json:"role"`
}

// Target is what was changed, by id only.
type Target struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Modified is one attribute before and after.
type Modified struct {
	Attr string `json:"attr"`
	Old  Value  `json:"old"`
	New  Value  `json:"new"`
}

// Leaf is one unit of work in the log.
type Leaf struct {
	V           int            `json:"v"`
	Type        string         `json:"type"` // commit, run, signin, export, erasure, key, restored, brake
	Workspace   string         `json:"ws"`
	Gen         int64          `json:"gen"`
	N           int64          `json:"n"`
	At          string         `json:"at"`
	Run         string         `json:"run"`
	Commit      string         `json:"commit"`
	Changes     int            `json:"changes"`
	ChangesRoot string         `json:"changes_root"`
	Counts      map[string]int `json:"counts"`
	Mapping     string         `json:"mapping"`
	Policy      string         `json:"policy"`
}
