package sync

import (
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/workspace"
)

// maxName is the longest name of a person, a group or an inbox, in
// characters.
const maxName = 255

// plainName judges a name that a person typed.
func plainName(field, name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", &EditError{Field: field, Reason: "the name is empty", Remedy: "give at least one character"}
	case utf8.RuneCountInString(name) > maxName:
		return "", &EditError{Field: field, Reason: "the name is longer than 255 characters", Remedy: "shorten it"}
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", &EditError{Field: field, Reason: "the name has control characters", Remedy: "write it on one line"}
	}
	return name, nil
}

// planProfileEdit changes a profile: everybody their own, Admins and Owners
// those of others (SELF). A directory that states the name wins at its next
// word.
func (u *unit) planProfileEdit(p *person, e *Edit) error {
	if e.Profile == nil {
		return &EditError{Field: "profile", Reason: "nothing is to be changed", Remedy: "give name, reason or access_end"}
	}
	if p.member.State != workspace.StateActive {
		return &EditError{Field: "member", Reason: p.member.Email + " is not active", Remedy: "restore the member first", Settled: true}
	}
	after := *p.member
	if e.Profile.Name != nil {
		name, err := plainName("name", *e.Profile.Name)
		if err != nil {
			return err
		}
		after.Name = name
	}
	if e.Profile.Reason != nil {
		after.Reason = strings.TrimSpace(*e.Profile.Reason)
	}
	class := "correction"
	if e.Profile.End != nil {
		after.AccessEnd = workspace.At(*e.Profile.End)
		class = "temporary_access"
		if after.AccessEnd != 0 && after.AccessEnd <= u.now {
			return &EditError{Field: "access_end", Reason: "the moment has passed", Remedy: "give a moment in the future, or remove the member"}
		}
	}
	if after == *p.member {
		return nil
	}
	u.addFor(p, workspace.Change{
		Kind: workspace.MemberUpdate, Subject: memberRef(*p.member), Member: p.member.ID,
		Before: *p.member, After: after, Cause: u.editCause(e, class),
	})
	return nil
}
