package workspace

import (
	"strings"
	"testing"
)

// goldenMatrix is the product's published table: id, Owner, Admin, Member.
const goldenMatrix = `
M01 x x x
M02 x x x
M03 x x x
M04 x x x
M05 x x -
M06 x x -
M07 x x -
M08 x x -
M09 x x -
M10 x x -
M11 x x -
M12 x x -
M13 x - -`

func TestMatrix39Cells(t *testing.T) {
	cells, ticks := 0, 0
	lines := strings.Split(strings.TrimSpace(goldenMatrix), "\n")
	if len(lines) != len(Rows()) {
		t.Fatalf("%d rows, want %d", len(Rows()), len(lines))
	}
	for i, line := range lines {
		f := strings.Fields(line)
		if Rows()[i].ID != Permission(f[0]) {
			t.Errorf("row %d is %s, want %s", i, Rows()[i].ID, f[0])
		}
		for k, role := range []Role{RoleOwner, RoleAdmin, RoleMember} {
			cells++
			want := f[k+1] == "x"
			if want {
				ticks++
			}
			if Can(role, Permission(f[0])) != want {
				t.Errorf("%s.%s: %v, want %v", f[0], role.Title(), !want, want)
			}
		}
		if Can(RoleNone, Permission(f[0])) {
			t.Errorf("%s is given to nobody's role", f[0])
		}
	}
	if cells != 39 || ticks != 29 {
		t.Errorf("%d cells, %d ticks; want 39 and 29", cells, ticks)
	}
}

func TestLookup(t *testing.T) {
	for _, id := range []Permission{"", "M00", "M14", "M99", "m01", "M1", "M001", "X01", "M0:", "M/1"} {
		if _, ok := Lookup(id); ok || Can(RoleOwner, id) {
			t.Errorf("%q is a row", id)
		}
	}
	r, ok := Lookup(OwnerChange)
	if !ok || r.Text != "Add/remove other owners" || r.Action != "owner.change" {
		t.Errorf("M13: %+v", r)
	}
	Rows()[0].Member = false
	if !Can(RoleMember, CommsUse) {
		t.Error("Rows hands out the matrix itself")
	}
}
