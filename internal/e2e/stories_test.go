package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/sync"
)

// everyServer runs a test against OpenLDAP, Samba AD and 389. The 389 of the
// second kind has neither counters nor a plug-in that keeps groups in line.
func everyServer(t *testing.T, test func(t *testing.T, d directory)) {
	t.Helper()
	t.Run("slapd", func(t *testing.T) {
		t.Parallel()
		test(t, newSlapd(t, ldaptest.SlapdOptions{}))
	})
	t.Run("samba", func(t *testing.T) {
		t.Parallel()
		test(t, newSamba(t))
	})
	t.Run("389", func(t *testing.T) {
		t.Parallel()
		test(t, newDS389(t, ldaptest.DS389Options{}))
	})
	t.Run("389 without plug-ins", func(t *testing.T) {
		t.Parallel()
		test(t, newDS389(t, ldaptest.DS389Options{NoUSN: true, NoMemberOf: true}))
	})
}

// TestEveryKindOfChange walks a small company through everything that can
// happen to it; after each step the workspace is what an independent reading
// says.
func TestEveryKindOfChange(t *testing.T) {
	t.Parallel()
	everyServer(t, everyKindOfChange)
}

func everyKindOfChange(t *testing.T, d directory) {
	for i := range 12 {
		d.person(fmt.Sprintf("p%02d", i), fmt.Sprintf("p%02d@acme.com", i), []string{"Sales", "Support", "Finance", ""}[i%4])
	}
	d.group("inner", d.personDN("p03"))
	d.group("team", d.personDN("p01"), d.personDN("p02"), d.groupDN("inner"))
	d.group("phone-admins", d.personDN("p04"))
	d.group("desk", d.personDN("p05"), d.personDN("p06"))
	w := newWorld(t, d.config(), unbraked())
	if !d.tells() {
		w.polled.Sweep = time.Nanosecond // else who is absent shows at the next quarter of an hour
	}
	step := func(what string, do func()) {
		t.Helper()
		do()
		res := w.sync()
		w.agrees(d)
		for _, l := range res.Run.Leavers {
			if l.Why == "disabled" && (l.T0 == nil || *l.T0 > l.T1) {
				t.Errorf("T0 of %s is %v, seen at %v", l.Label, l.T0, l.T1)
			}
		}
		if t.Failed() {
			t.Fatalf("after: %s\n%s", what, w.told(&res.Run))
		}
	}
	step("full sync", func() {})
	w.want("p03@acme.com", "member active Team")
	w.want("p04@acme.com", "admin active Sales")
	if res := w.sync(); res.Unchanged != d.tells() || res.Run.Counts != (sync.Counts{}) {
		t.Errorf("nothing moved, but %+v", res.Run.Counts)
	}
	step("joiner", func() { d.person("new", "new@acme.com", "Sales") })
	step("department", func() { d.setDepartment("p01", "Finance") })
	step("mail", func() { d.set(d.personDN("p02"), "mail", "paula@acme.com") })
	w.want("paula@acme.com", "member active Finance Team")
	w.want("p02@acme.com", "nobody")
	step("into a group", func() { d.addMember("phone-admins", d.personDN("p02")) })
	step("out of a group", func() { d.dropMember("phone-admins", d.personDN("p04")) })
	w.want("p04@acme.com", "member active Sales")
	step("groups that hold each other", func() { d.addMember("inner", d.groupDN("team")) })
	step("a nested group leaves", func() { d.dropMember("team", d.groupDN("inner")) })
	w.want("p03@acme.com", "member active")
	step("a nested group returns", func() { d.addMember("team", d.groupDN("inner")) })

	// Who is renamed or moves within the base is the same person.
	five, number := w.id("p05@acme.com"), w.member("p05@acme.com")
	step("rename", func() { d.rename("p05", "five") })
	w.want("p05@acme.com", number)
	if w.id("p05@acme.com") != five {
		t.Error("LM10: the renamed person is another member")
	}

	step("disabled", func() { d.disable("p06", true) })
	w.want("p06@acme.com", "member deactivated")
	step("enabled again", func() { d.disable("p06", false) })
	if got := w.member("p06@acme.com"); got != "member active Finance +4722000001" && got != "member active Finance +4722000000" {
		t.Errorf("AB5: the one who is back is %q", got)
	}

	step("moved out of scope", func() { d.move("p07", true) })
	w.want("p07@acme.com", "member deactivated")
	seven := w.id("p07@acme.com")
	step("moved back", func() { d.move("p07", false) })
	w.want("p07@acme.com", "member active")
	if w.id("p07@acme.com") != seven {
		t.Error("AB5: the one who is back is another member")
	}

	step("deleted", func() { d.remove(d.personDN("p08")) })
	w.want("p08@acme.com", "member deactivated")

	// A stranger gets the name of somebody who has left: login name and DN.
	step("deleted, with a number and a role", func() { d.addMember("phone-admins", d.personDN("five")) })
	w.want("p05@acme.com", "admin active Support "+number[len(number)-11:])
	step("gone", func() { d.remove(d.personDN("five")) })
	d.person("five", "stranger@acme.com", "Sales")
	w.sync()
	w.want("stranger@acme.com", "member active Sales")
	d.setDepartment("five", "Support")
	w.sync()
	w.want("stranger@acme.com", "member active Support")
	if got := w.member("p05@acme.com"); !strings.Contains(got, "deactivated") || strings.Contains(got, "+47") {
		t.Errorf("the leaver is %q", got)
	}
	step("the stranger is made an administrator in earnest", func() {
		// LP9 compares times of the directory, which count seconds.
		time.Sleep(1100 * time.Millisecond)
		for _, g := range []string{"phone-admins", "desk"} {
			d.ensureMember(g, d.personDN("five"))
		}
	})
	if got := w.member("stranger@acme.com"); !strings.HasPrefix(got, "admin active Support +47") {
		t.Errorf("the stranger is %q", got)
	}

	// Two people swap their addresses within one run.
	one, nine := w.id("p01@acme.com"), w.id("p09@acme.com")
	step("addresses swapped", func() {
		d.set(d.personDN("p01"), "mail", "p09@acme.com")
		d.set(d.personDN("p09"), "mail", "p01@acme.com")
	})
	if w.id("p01@acme.com") != nine || w.id("p09@acme.com") != one {
		t.Error("LM9: the swap mixed two people up")
	}

	if res, err := w.try(sync.SyncOptions{Full: true}); err != nil || res.Run.Counts.Applied != 0 || !res.Run.Complete {
		t.Errorf("a full read after all that found drift: %+v %v", res.Run.Counts, err)
	}
}
