package workspace

import (
	"fmt"
	"time"
)

// Plan is the product plan of a workspace, which fixes the price of a seat.
type Plan string

// The plans, and their seats' prices a month when billed by the year.
const (
	PlanStarter  Plan = "starter"
	PlanBusiness Plan = "business"
	PlanScale    Plan = "scale"
)

// ParsePlan reads a plan's name.
func ParsePlan(s string) (Plan, error) {
	switch p := Plan(s); p {
	case PlanStarter, PlanBusiness, PlanScale:
		return p, nil
	}
	return "", fmt.Errorf("unknown plan %q: use starter, business or scale", s)
}

// Cents is money in hundredths of a dollar.
type Cents int64

// String writes dollars and cents: "45.37".
func (c Cents) String() string {
	sign := ""
	if c < 0 {
		sign, c = "-", -c
	}
	return fmt.Sprintf("%s%d.%02d", sign, int64(c)/100, int64(c)%100)
}

// extraNumber is the price a month of each number beyond one per seat (R28).
const extraNumber Cents = 500

// Seat returns the price of one seat a month. An unknown plan costs what the
// dearest does: a spending limit must not be passed by a missing word.
func (p Plan) Seat() Cents {
	switch p {
	case PlanStarter:
		return 1500
	case PlanBusiness:
		return 2300
	default:
		return 3500
	}
}

// Extra returns how many numbers are not included in the seats. A number is
// charged once for a workspace, however many share it: the product's texts
// do not say so, it is an assumption (C14).
func (t Totals) Extra() int { return max(0, t.Numbers-t.Seats) }

// Monthly returns the price of the totals a month. Pending invitations are
// free, which is assumed.
func (t Totals) Monthly(plan Plan) Cents {
	return plan.Seat()*Cents(t.Seats) + extraNumber*Cents(t.Extra())
}

// Period is a billing period in the workspace's calendar, both days included.
type Period struct {
	First, Last time.Time // only the date counts
}

// Months returns the whole months of the period, at least 1.
func (p Period) Months() int {
	end := date(p.Last).AddDate(0, 0, 1)
	first := date(p.First)
	return max(1, (end.Year()-first.Year())*12+int(end.Month())-int(first.Month()))
}

// Days returns the days of the period.
func (p Period) Days() int { return daysBetween(p.First, p.Last) + 1 }

// Left returns the days from at to the period's end; today is left. It is 0
// after the period and never more than Days.
func (p Period) Left(at time.Time) int { return min(p.Days(), max(0, daysBetween(at, p.Last)+1)) }

// date gives midnight UTC of a moment's own calendar day: days are counted
// without daylight saving.
func date(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func daysBetween(from, to time.Time) int {
	return int(date(to).Sub(date(from)) / (24 * time.Hour))
}

// Line is one line of a billing effect: what, how many more (or fewer, below
// zero), and the money for the rest of the period, never negative.
type Line struct {
	Item   string `json:"item"` // seat, extra_number
	Count  int    `json:"count"`
	Charge Cents  `json:"charge_cents"`
	Credit Cents  `json:"credit_cents"`
}

// Billing is what a plan costs (R27 to R30). Credit is for future charges
// only: it is not refunded, not transferred, and lost with the subscription.
// Rollcall computes, the product charges.
type Billing struct {
	SeatsBefore   int    `json:"seats_before"`
	SeatsAfter    int    `json:"seats_after"`
	NumbersBefore int    `json:"numbers_before"`
	NumbersAfter  int    `json:"numbers_after"`
	MonthlyBefore Cents  `json:"monthly_before_cents"`
	MonthlyAfter  Cents  `json:"monthly_after_cents"`
	Charge        Cents  `json:"charge_cents"`
	Credit        Cents  `json:"credit_cents"`
	DaysLeft      int    `json:"days_left"`
	DaysInPeriod  int    `json:"days_in_period"`
	Lines         []Line `json:"lines,omitempty"`
}

// Effect returns what the change from one state of the totals to another
// costs at a moment, given in the workspace's zone. Each line is prorated
// and rounded half up to a cent by itself.
func Effect(before, after Totals, plan Plan, period Period, at time.Time) Billing {
	b := Billing{
		SeatsBefore: before.Seats, SeatsAfter: after.Seats, NumbersBefore: before.Numbers, NumbersAfter: after.Numbers,
		MonthlyBefore: before.Monthly(plan), MonthlyAfter: after.Monthly(plan),
		DaysLeft: period.Left(at), DaysInPeriod: period.Days(),
	}
	b.add("seat", after.Seats-before.Seats, plan.Seat(), period)
	b.add("extra_number", after.Extra()-before.Extra(), extraNumber, period)
	return b
}

// add adds the line of a difference, if there is one.
func (b *Billing) add(item string, count int, monthly Cents, period Period) {
	if count == 0 || b.DaysInPeriod <= 0 {
		return
	}
	whole := int64(max(count, -count)) * int64(monthly) * int64(period.Months()) * int64(b.DaysLeft)
	days := int64(b.DaysInPeriod)
	money := Cents((whole*2 + days) / (days * 2))
	line := Line{Item: item, Count: count}
	if count > 0 {
		line.Charge = money
	} else {
		line.Credit = money
	}
	b.Charge += line.Charge
	b.Credit += line.Credit
	b.Lines = append(b.Lines, line)
}
