package workspace

import (
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

const examplePolicy = `
clear: [M04.Member, M07.Admin]
approve: [role.raise, number.buy]
limits: {administrators: 3, seats: 250, numbers: off, spend_per_month: 6000, role_raises_per_run: 0}
protect: {members: [cfo@acme.com], groups: [executives]}
break_glass: [rescue@acme.com]
freeze: [{from: "fri 18:00", to: "mon 07:00", zone: Europe/Oslo}]
held_reply: truth
second_approver: owner
numbers: {view_beside_exclusive: true, quarantine: 30d}
`

func decode(t *testing.T, text string) *Policy {
	t.Helper()
	p := Default()
	if err := yaml.UnmarshalWithOptions([]byte(text), p, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyFromYAML(t *testing.T) {
	p := decode(t, examplePolicy)
	if errs := p.Validate(); errs != nil {
		t.Fatal(errs)
	}
	l := p.Limits
	for _, tt := range []struct {
		name  string
		limit Limit
		n     int
		on    bool
	}{
		{"administrators", l.Administrators, 3, true},
		{"seats", l.Seats, 250, true},
		{"numbers", l.Numbers, 0, false},
		{"spend_per_month", l.SpendPerMonth, 6000, true},
		{"role_raises_per_run", l.RoleRaisesPerRun, 0, true},
	} {
		if n, on := tt.limit.Get(); n != tt.n || on != tt.on {
			t.Errorf("%s: %d %v, want %d %v", tt.name, n, on, tt.n, tt.on)
		}
	}
	if d := p.Numbers.Quarantine.Duration(); d != 30*24*time.Hour {
		t.Errorf("quarantine %v", d)
	}
	if !p.Numbers.ViewBesideExclusive || p.SecondApprover != "owner" || len(p.Freeze) != 1 || p.Freeze[0].Zone != "Europe/Oslo" {
		t.Errorf("decoded %+v", p)
	}
	if d := decode(t, "{}"); d.Approve != nil || d.Numbers.Quarantine.Duration() != DefaultQuarantine || d.Limits.Seats.Exceeded(1<<40) {
		t.Errorf("empty policy: %+v", d)
	}
}

// R35: an absent list holds a connection's raises, an empty one does not.
func TestApproveAbsentAndEmpty(t *testing.T) {
	for text, want := range map[string]struct{ connection, person bool }{
		"{}":                         {true, false},
		"approve: []":                {false, false},
		"approve: [number.buy]":      {true, false},
		"approve: [role.raise]":      {true, true},
		"approve:\n  - owner.change": {true, false},
	} {
		p := decode(t, text)
		if p.raiseNeedsApproval(false) != want.connection || p.raiseNeedsApproval(true) != want.person {
			t.Errorf("%q: connection %v, person %v", text, p.raiseNeedsApproval(false), p.raiseNeedsApproval(true))
		}
	}
}

// Each bad value is reported with its key, all of them at once.
func TestPolicyValidate(t *testing.T) {
	p := decode(t, `
clear: [M99.Member, M13.Admin, M13.Owner, nonsense]
approve: [everything]
limits: {administrators: -1, seats: many, numbers: 1.5, spend_per_month: "6,000", role_raises_per_run: no}
protect: {members: [cfo], groups: [""]}
break_glass: ["@acme.com"]
freeze: [{from: "friday", to: "mon 25:00", zone: Mars/Base}, {from: "fri 18:00", to: "FRI 18:00"}]
held_reply: maybe
second_approver: admin
numbers: {quarantine: a while}
`)
	var all []string
	for _, err := range p.Validate() {
		all = append(all, err.Error())
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{
		`clear: "M99.Member"`, "clear: M13.Admin", "clear: without M13.Owner", `clear: "nonsense"`, `approve: unknown operation "everything"`,
		"limits.administrators", "limits.seats", "limits.numbers", "limits.spend_per_month", "limits.role_raises_per_run", `protect.members: "cfo"`,
		"protect.groups", "break_glass", "freeze[0].from", "freeze[0].to", "freeze[0].zone", "freeze[1]: from and to", "held_reply", "second_approver", "numbers.quarantine",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no problem names %q", want)
		}
	}
	if len(all) != 20 {
		t.Errorf("%d problems:\n%s", len(all), text)
	}
}

func TestPolicyHash(t *testing.T) {
	base := Default().Hash()
	for _, h := range []string{base, MatrixHash()} { // as every hash of a report
		if hex, ok := strings.CutPrefix(h, "sha256:"); !ok || len(hex) != 64 {
			t.Errorf("hash %q", h)
		}
	}
	if base != Default().Hash() {
		t.Fatalf("hash %q and %q", base, Default().Hash())
	}
	seen := map[string]string{base: "default"}
	for _, text := range []string{
		"clear: [M04.Member]", "approve: []", "approve: [role.raise]", "limits: {administrators: 3}", "limits: {seats: 3}",
		"limits: {numbers: 3}", "limits: {spend_per_month: 3}", "limits: {role_raises_per_run: 3}", "limits: {seats: 0}", "protect: {members: [a@b.c]}",
		"protect: {groups: [a@b.c]}", "break_glass: [a@b.c]", `freeze: [{from: "fri 18:00", to: "mon 07:00"}]`, "held_reply: reject",
		"second_approver: owner", "numbers: {view_beside_exclusive: true}", "numbers: {quarantine: 1d}",
	} {
		h := decode(t, text).Hash()
		if other, ok := seen[h]; ok {
			t.Errorf("%q has the hash of %q", text, other)
		}
		seen[h] = text
	}
	if decode(t, "clear: [M04.Member, M07.Admin]").Hash() != decode(t, "clear: [M07.Admin, M04.Member]").Hash() {
		t.Error("the order of a list counts")
	}
}

func TestFreezeWindows(t *testing.T) {
	w := Window{From: "fri 18:00", To: "mon 07:00", Zone: "Europe/Oslo"}
	for at, want := range map[string]bool{
		"2026-11-20T16:59:00Z": false, // Friday 17:59 in Oslo
		"2026-11-20T17:00:00Z": true,
		"2026-11-22T12:00:00Z": true,
		"2026-11-23T05:59:00Z": true,
		"2026-11-23T06:00:00Z": false,
		"2026-06-19T15:59:00Z": false, // summer time
		"2026-06-19T16:00:00Z": true,
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.holds(At(moment), "UTC"); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
	broken := Window{From: "someday", To: "mon 07:00"}
	if !broken.holds(1, "UTC") {
		t.Error("a window that cannot be read lets through")
	}
}

func FuzzLimitAndSpan(f *testing.F) {
	for _, s := range []string{"0", "off", "-1", "90d", "12h", "9999999999999999999d", "", "~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var l Limit
		if err := l.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if n, on := l.Get(); n < 0 || !on && l.Exceeded(1<<40) {
			t.Errorf("limit %q: %d %v", s, n, on)
		}
		var d Span
		if err := d.UnmarshalText([]byte(s)); err != nil || d.Duration() < 0 {
			t.Errorf("span %q: %v %v", s, d, err)
		}
		if m, err := minuteOfWeek(s); err == nil && (m < 0 || m >= minutesOfWeek) {
			t.Errorf("moment %q: %d", s, m)
		}
	})
}
