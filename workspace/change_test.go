package workspace

import "testing"

// What may be held and what passes hangs on the direction (domain section 7).
func TestDirection(t *testing.T) {
	role := func(from, to Role) Change {
		return Change{Kind: MemberRole, Before: Member{Role: from}, After: Member{Role: to}}
	}
	access := func(from, to Access) Change {
		return Change{Kind: NumberAccess, Before: Assignment{Access: from}, After: Assignment{Access: to}}
	}
	for _, tt := range []struct {
		name string
		c    Change
		want Direction
	}{
		{"raised", role(RoleMember, RoleAdmin), Expansion},
		{"lowered", role(RoleOwner, RoleAdmin), Reduction},
		{"the same role", role(RoleAdmin, RoleAdmin), Neutral},
		{"more access", access(AccessViewOnly, AccessShared), Expansion},
		{"less access", access(AccessExclusive, AccessShared), Reduction},
		{"the same access", access(AccessShared, AccessShared), Neutral},
		{"made owner of a number", Change{Kind: NumberOwner, After: Ownership{Number: "n1", Member: "cy"}}, Expansion},
		{"owner of a number no more", Change{Kind: NumberOwner, Before: Ownership{Number: "n1", Member: "cy"}}, Reduction},
		{"renamed", Change{Kind: MemberUpdate}, Neutral},
		{"joined", Change{Kind: MemberCreate}, Expansion},
		{"access ended", Change{Kind: MemberDeactivate}, Reduction},
		{"contained", Change{Kind: MemberContain}, Reduction},
		{"released", Change{Kind: MemberRelease}, Expansion},
		{"sessions ended", Change{Kind: MemberSessions}, Reduction},
		{"primary Owner", Change{Kind: OwnerTransfer}, Expansion},
	} {
		if got := tt.c.Direction(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
