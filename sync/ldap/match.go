package ldap

import (
	"fmt"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/internal/fold"
)

// matcher evaluates a filter over an entry of a dump, where no server does
// it (RFC 4511 section 4.5.1.7). Values compare without regard to letter case
// and inner blanks.
type matcher struct{ p *ber.Packet }

// newMatcher compiles a filter; approximate and extensible matches belong to
// servers and are refused.
func newMatcher(filter string) (matcher, error) {
	p, err := goldap.CompileFilter(filter)
	if err != nil {
		return matcher{}, err
	}
	return matcher{p}, supported(p)
}

func supported(p *ber.Packet) error {
	switch p.Tag {
	case goldap.FilterAnd, goldap.FilterOr, goldap.FilterNot:
		for _, c := range p.Children {
			if err := supported(c); err != nil {
				return err
			}
		}
	case goldap.FilterEqualityMatch, goldap.FilterPresent, goldap.FilterSubstrings, goldap.FilterGreaterOrEqual, goldap.FilterLessOrEqual:
	default:
		return fmt.Errorf("a file cannot answer %q: use =, >=, <=, *, &, | or ! instead", goldap.FilterMap[uint64(p.Tag)])
	}
	return nil
}

// matches reports whether an entry passes. An attribute that is missing
// matches nothing.
func (m matcher) matches(e *goldap.Entry) bool { return matches(m.p, e) }

func matches(p *ber.Packet, e *goldap.Entry) bool {
	switch p.Tag {
	case goldap.FilterAnd:
		for _, c := range p.Children {
			if !matches(c, e) {
				return false
			}
		}
		return true
	case goldap.FilterOr:
		for _, c := range p.Children {
			if matches(c, e) {
				return true
			}
		}
		return false
	case goldap.FilterNot:
		return len(p.Children) == 1 && !matches(p.Children[0], e)
	case goldap.FilterPresent:
		name := p.Data.String()
		raw, ok := values(e, name)
		return ok && len(raw) > 0 || strings.EqualFold(name, "objectClass")
	}
	if len(p.Children) != 2 {
		return false
	}
	raw, _ := values(e, octets(p.Children[0]))
	for _, v := range raw {
		if matchesValue(p, dn.Value([]byte(v))) {
			return true
		}
	}
	return false
}

func octets(p *ber.Packet) string { return p.Data.String() }

func matchesValue(p *ber.Packet, v string) bool {
	if p.Tag == goldap.FilterSubstrings {
		return matchesParts(p.Children[1], v)
	}
	want := dn.Value([]byte(octets(p.Children[1])))
	switch p.Tag {
	case goldap.FilterGreaterOrEqual:
		return v >= want
	case goldap.FilterLessOrEqual:
		return v <= want
	}
	return v == want
}

// matchesParts matches initial, any and final parts in their order.
func matchesParts(parts *ber.Packet, v string) bool {
	for _, part := range parts.Children {
		want := fold.Key(octets(part))
		switch part.Tag {
		case goldap.FilterSubstringsInitial:
			if !strings.HasPrefix(v, want) {
				return false
			}
			v = v[len(want):]
		case goldap.FilterSubstringsFinal:
			return strings.HasSuffix(v, want)
		default:
			i := strings.Index(v, want)
			if i < 0 {
				return false
			}
			v = v[i+len(want):]
		}
	}
	return true
}
