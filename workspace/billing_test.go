package workspace

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 12, 0, 0, 0, time.UTC) }

// TestEffect holds the table of domain section 13: 10 seats, 12 numbers, the
// year 2026, a change on 1 October (92 of 365 days left).
func TestEffect(t *testing.T) {
	year := Period{First: day(2026, 1, 1), Last: day(2026, 12, 31)}
	at := day(2026, 10, 1)
	before := Totals{Seats: 10, Numbers: 12}
	for _, tt := range []struct {
		plan           Plan
		after          Totals
		was, is        Cents
		charge, credit Cents
	}{
		{PlanStarter, Totals{Seats: 11, Numbers: 12}, 16000, 17000, 4537, 1512},
		{PlanStarter, Totals{Seats: 9, Numbers: 12}, 16000, 15000, 1512, 4537},
		{PlanBusiness, Totals{Seats: 11, Numbers: 12}, 24000, 25800, 6957, 1512},
		{PlanBusiness, Totals{Seats: 9, Numbers: 12}, 24000, 22200, 1512, 6957},
		{PlanScale, Totals{Seats: 11, Numbers: 12}, 36000, 39000, 10586, 1512},
		{PlanScale, Totals{Seats: 9, Numbers: 12}, 36000, 33000, 1512, 10586},
		{PlanBusiness, before, 24000, 24000, 0, 0},
		{PlanBusiness, Totals{Seats: 10, Numbers: 10}, 24000, 23000, 0, 3025},
	} {
		b := Effect(before, tt.after, tt.plan, year, at)
		if b.MonthlyBefore != tt.was || b.MonthlyAfter != tt.is || b.Charge != tt.charge || b.Credit != tt.credit {
			t.Errorf("%s to %+v: %s -> %s, charge %s, credit %s", tt.plan, tt.after, b.MonthlyBefore, b.MonthlyAfter, b.Charge, b.Credit)
		}
		if b.DaysLeft != 92 || b.DaysInPeriod != 365 {
			t.Errorf("%d of %d days", b.DaysLeft, b.DaysInPeriod)
		}
	}
}

func TestPeriod(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	year := Period{First: day(2026, 1, 1), Last: day(2026, 12, 31)}
	month := Period{First: day(2026, 2, 1), Last: day(2026, 2, 28)}
	for _, tt := range []struct {
		p                  Period
		at                 time.Time
		months, days, left int
	}{
		{year, day(2026, 12, 31), 12, 365, 1},
		{year, day(2026, 1, 1), 12, 365, 365},
		{year, day(2027, 1, 1), 12, 365, 0},
		{year, day(2025, 12, 1), 12, 365, 365},
		{year, time.Date(2026, 9, 30, 23, 30, 0, 0, time.UTC).In(oslo), 12, 365, 92}, // already October there
		{month, day(2026, 2, 15), 1, 28, 14},
		{Period{First: day(2028, 2, 1), Last: day(2028, 2, 29)}, day(2028, 2, 29), 1, 29, 1},
		{Period{First: day(2026, 3, 15), Last: day(2027, 3, 14)}, day(2026, 3, 15), 12, 365, 365},
	} {
		if m, d, l := tt.p.Months(), tt.p.Days(), tt.p.Left(tt.at); m != tt.months || d != tt.days || l != tt.left {
			t.Errorf("%v at %v: %d months, %d days, %d left", tt.p, tt.at, m, d, l)
		}
	}
}

// A change and its reverse at the same moment cost nothing together.
func TestEffectReverses(t *testing.T) {
	year := Period{First: day(2026, 1, 1), Last: day(2026, 12, 31)}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Totals {
			return Totals{Seats: rapid.IntRange(0, 5000).Draw(t, name+" seats"), Numbers: rapid.IntRange(0, 5000).Draw(t, name+" numbers")}
		}
		a, b := draw("a"), draw("b")
		plan := rapid.SampledFrom([]Plan{PlanStarter, PlanBusiness, PlanScale}).Draw(t, "plan")
		at := day(2026, 1, 1).AddDate(0, 0, rapid.IntRange(0, 364).Draw(t, "day"))
		there, back := Effect(a, b, plan, year, at), Effect(b, a, plan, year, at)
		if there.Charge != back.Credit || there.Credit != back.Charge || there.Charge < 0 || there.Credit < 0 {
			t.Fatalf("there %+v, back %+v", there, back)
		}
	})
}

func TestCents(t *testing.T) {
	for c, want := range map[Cents]string{0: "0.00", 5: "0.05", 4537: "45.37", -150: "-1.50"} {
		if c.String() != want {
			t.Errorf("%d: %s", int64(c), c)
		}
	}
	if _, err := ParsePlan("gold"); err == nil {
		t.Error("gold is a plan")
	}
	if p, err := ParsePlan("scale"); err != nil || p.Seat() != 3500 || Plan("").Seat() != 3500 {
		t.Error("the dearest plan is not what an unknown one costs")
	}
}
