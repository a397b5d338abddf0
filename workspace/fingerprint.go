package workspace

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Fingerprint returns what a change wants, as lower-case hex SHA-256 over
// subject, attributes after and rule. It is the same at every poll: times,
// run ids and ids that are made anew for what does not exist yet are left
// out. Rejections are remembered by it (reports section 5).
func Fingerprint(c Change) string {
	return hex.EncodeToString(fingerprint(&c, func(id string) string {
		// The person behind an identity may be as new as the plan: their
		// immutable id at the source names them.
		if id == c.Member && c.Cause.ExternalID != "" && c.Cause.Leaver == "" {
			return c.Cause.Connection + "/" + c.Cause.ExternalID
		}
		return id
	}))
}

func fingerprint(c *Change, name func(id string) string) []byte {
	h := sha256.New()
	hashFields(h, string(c.Kind), c.Subject.Type, stableSubject(c, name), name(c.Member), c.Cause.Rule)
	hashFields(h, stableAttributes(c.Kind, c.After, true, name)...)
	return h.Sum(nil)
}

// PlanHash returns "sha256:" and hex over a judged plan (BR4): workspace,
// connection, Scope, mapping hash, policy hash and the changes with before,
// after, verdict and rule. The changes are put in an order of their own, so
// the order of the run does not count; time, run id, cursor and price are
// not in it, nor ids of what the plan itself makes.
func PlanHash(workspace, connection, scope, mappingHash, policyHash string, ds []Decision) string {
	made := make(map[string]string)
	for i := range ds {
		c := &ds[i].Change
		switch c.Kind {
		case MemberCreate, GroupCreate, NumberCreate, NumberBuy, InvitationSend:
			made[createdID(c)] = "new " + stableSubject(c, func(string) string { return "" })
		}
	}
	name := func(id string) string {
		if n, ok := made[id]; ok {
			return n
		}
		return id
	}
	lines := make([]string, 0, len(ds))
	for i := range ds {
		d := &ds[i]
		h := sha256.New()
		hashFields(h, string(fingerprint(&d.Change, name)), string(d.Verdict), d.Rule)
		hashFields(h, stableAttributes(d.Change.Kind, d.Change.Before, false, name)...)
		lines = append(lines, string(h.Sum(nil)))
	}
	slices.Sort(lines)
	h := sha256.New()
	hashFields(h, "rollcall plan 1", workspace, connection, scope, mappingHash, policyHash)
	hashFields(h, lines...)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// moving are the attributes whose values pass by themselves.
var moving = []string{"grace_until", "quarantine_until", "reserved_until", "expires_at"}

// stableAttributes lists a noun's attributes in a fixed order, without those
// that move, and with ids as name gives them.
func stableAttributes(kind ChangeKind, noun any, isAfter bool, name func(id string) string) []string {
	if noun == nil {
		return nil
	}
	switch x := noun.(type) {
	case Member:
		x.Email = x.EmailKey
		noun = x
	case Assignment:
		x.To = name(x.To)
		noun = x
	case Ownership:
		x.Member = name(x.Member)
		noun = x
	case Reservation:
		x.For = name(x.For)
		noun = x
	case GroupMembership:
		x.Member, x.Group = name(x.Member), name(x.Group)
		noun = x
	case Invitation:
		x.Email, x.Inviter = x.EmailKey, name(x.Inviter)
		noun = x
	case DomainClaim:
		x.Claimer = name(x.Claimer)
		noun = x
	}
	values := attributes(kind, noun, isAfter)
	out := make([]string, 0, len(values))
	for _, attr := range attributeOrder {
		if v, ok := values[attr]; ok && !slices.Contains(moving, attr) {
			out = append(out, attr+"="+v)
		}
	}
	return out
}

// stableSubject names the subject by what the world knows it by: address,
// E.164, group name, domain; by label or id if it has nothing better.
func stableSubject(c *Change, name func(id string) string) string {
	best := ""
	switch x := coalesce(c).(type) {
	case Member:
		best = x.EmailKey
	case Number:
		best = x.E164
	case Group:
		best = x.NameKey
	case Invitation:
		best = x.EmailKey
	case DomainClaim:
		best = x.Domain
	}
	return cmp.Or(best, strings.ToLower(c.Subject.Label), name(c.Subject.ID))
}
