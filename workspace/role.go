package workspace

import "fmt"

// Role is one of the three workspace roles. A greater role may do everything
// that a smaller one may. The zero value means "no role".
type Role uint8

// The roles, from least to most authority.
const (
	RoleNone Role = iota
	RoleMember
	RoleAdmin
	RoleOwner
)

// String returns the lower-case name used in reports and in the store, and
// "" for RoleNone.
func (r Role) String() string {
	switch r {
	case RoleMember:
		return "member"
	case RoleAdmin:
		return "admin"
	case RoleOwner:
		return "owner"
	default:
		return ""
	}
}

// Title returns the name as people read it: Owner, Admin, Member.
func (r Role) Title() string {
	switch r {
	case RoleMember:
		return "Member"
	case RoleAdmin:
		return "Admin"
	case RoleOwner:
		return "Owner"
	default:
		return "none"
	}
}

// ParseRole reads a role's name in lower or title case.
func ParseRole(s string) (Role, error) {
	switch s {
	case "member", "Member":
		return RoleMember, nil
	case "admin", "Admin":
		return RoleAdmin, nil
	case "owner", "Owner":
		return RoleOwner, nil
	default:
		return RoleNone, fmt.Errorf("unknown role %q: use owner, admin or member", s)
	}
}

// MarshalText implements encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is RoleNone.
func (r *Role) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*r = RoleNone
		return nil
	}
	v, err := ParseRole(string(b))
	if err != nil {
		return err
	}
	*r = v
	return nil
}

// Min returns the smaller of two roles: an effective authority is the
// smallest of those that a change passes through.
func (r Role) Min(o Role) Role {
	if o < r {
		return o
	}
	return r
}
