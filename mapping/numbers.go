package mapping

import (
	"sort"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Codes of WantNumber.DeniedCode.
const (
	deniedNotInInventory = "notInInventory"
	deniedTaken          = "taken"
	deniedInvalid        = "invalid"
	deniedPorting        = "porting"
)

// maxCandidates is how many numbers a held choice offers.
const maxCandidates = 5

// numberRun is the state of one person's number rows while they are read in
// file order.
type numberRun struct {
	*subject
	w   *Want
	inv Inventory
	// given is the highest access that earlier rows gave per number, unknown
	// rows with what they keep included.
	given map[string]workspace.Access
	// doubt holds the kinds of access that an unknown row may give.
	doubt map[workspace.Access]bool
	// invited and reserved are read from the inventory once.
	invited, reserved   []workspace.Number
	hasInvited, hasResv bool
}

// wantNumbers reads the number rows in file order.
func (s *subject) wantNumbers(w *Want) error {
	if len(s.rules.numbers) == 0 {
		return nil
	}
	run := &numberRun{subject: s, w: w, inv: s.facts.Inventory, given: map[string]workspace.Access{}, doubt: map[workspace.Access]bool{}}
	for i := range s.rules.numbers {
		x := &s.rules.numbers[i]
		if !x.inForce(s.now) {
			continue
		}
		t := x.eval(s)
		if t == True && x.unlessHas != workspace.AccessNone {
			t = run.lacks(x.unlessHas)
		}
		if t == True {
			var err error
			if t, err = run.row(x); err != nil {
				return err
			}
		}
		if t == Unknown {
			w.unknown(&x.row)
			run.doubt[x.access] = true
			run.keepGiven(x)
		}
	}
	run.settle()
	return nil
}

// lacks judges `unless_has`: what earlier rows gave counts, not the store. An
// earlier row that is unknown may have given it, so the answer is unknown.
func (r *numberRun) lacks(a workspace.Access) Truth {
	for _, g := range r.given {
		if g == a {
			return False
		}
	}
	if r.doubt[a] {
		return Unknown
	}
	return True
}

// keepGiven counts what an unknown row gave before as given: it stays.
func (r *numberRun) keepGiven(x *numberRow) {
	by := ruleBy(x.id)
	for _, sup := range r.person.Have.Supports {
		if sup.Kind != GrantNumber || sup.By != by {
			continue
		}
		for _, h := range r.person.Have.Numbers {
			if h.Number == sup.Object {
				r.note(h.Number, h.Access)
			}
		}
	}
}

// note remembers that a number is given.
func (r *numberRun) note(id string, a workspace.Access) {
	if a > r.given[id] {
		r.given[id] = a
	}
}

// settle leaves one access per number: of rows that give the same number, the
// highest access counts (a group's and a direct one likewise add up so).
func (r *numberRun) settle() {
	out := r.w.Numbers[:0]
	for _, n := range r.w.Numbers {
		if n.Number != "" && n.Denied == "" && !n.Ask && n.Access < r.given[n.Number] {
			continue
		}
		out = append(out, n)
	}
	r.w.Numbers = out
}

// row gives the numbers of one true row. Unknown tells that an attribute it
// needs is absent.
func (r *numberRun) row(x *numberRow) (Truth, error) {
	if r.inv == nil {
		r.w.notice(&x.row, "no inventory of numbers is at hand")
		return Unknown, nil
	}
	switch {
	case x.fixed != "":
		return True, r.fixed(x)
	case x.each >= 0:
		return r.each(x)
	case x.sameAttr >= 0 || x.ofGroup != "":
		return r.numbersOf(x)
	default:
		return r.strategies(x)
	}
}

// base is a wanted number with what the row says about all of its numbers.
func (x *numberRow) base(how, source string) WantNumber {
	return WantNumber{Access: x.access, Row: x.id, Owner: x.owner, Source: source, Ring: x.ring, Notify: !x.silent, How: how}
}

// add puts a found number into the want.
func (r *numberRun) add(x *numberRow, n workspace.Number, c claim, want WantNumber) {
	want.Number, want.E164, want.Access, want.Demoted = n.ID, n.E164, c.access, c.demoted
	r.w.Numbers = append(r.w.Numbers, want)
	r.note(n.ID, c.access)
}

// deny puts a refused number into the want.
func (r *numberRun) deny(n string, c claim, want WantNumber) {
	want.E164, want.Denied, want.DeniedCode, want.Holder = n, c.reason, c.code, c.holder
	r.w.Numbers = append(r.w.Numbers, want)
}

// fixed gives the row's own number (MR5).
func (r *numberRun) fixed(x *numberRow) error {
	want := x.base("fixed", x.text)
	n, ok, err := r.inv.ByE164(x.fixed)
	if err != nil {
		return err
	}
	if !ok {
		r.deny(x.fixed, claim{reason: x.fixed + " is not in the inventory", code: deniedNotInInventory}, want)
		return nil
	}
	c, err := r.claim(x, n)
	if err != nil {
		return err
	}
	if c.code != "" {
		want.Number = n.ID
		r.deny(n.E164, c, want)
		return nil
	}
	r.add(x, n, c, want)
	return nil
}

// each gives every number that an attribute lists.
func (r *numberRun) each(x *numberRow) (Truth, error) {
	v := r.attr(x.each)
	if !v.known {
		return Unknown, nil
	}
	seen := map[string]bool{}
	for _, raw := range sortedValues(v.raw) {
		want := x.base("attribute", r.shown(x.each, raw))
		want.Direct = x.direct
		n, ok, text, err := r.find(raw)
		if err != nil {
			return Unknown, err
		}
		if seen[text] {
			continue
		}
		seen[text] = true
		if !ok {
			r.deny(text, claim{reason: text + " is not in the inventory", code: deniedNotInInventory}, want)
			continue
		}
		c, err := r.claim(x, n)
		if err != nil {
			return Unknown, err
		}
		if c.code != "" {
			want.Number = n.ID
			r.deny(n.E164, c, want)
			continue
		}
		r.add(x, n, c, want)
	}
	return True, nil
}

// find looks a text up as a number, else as an inbox name. text is the
// E.164 form where there is one.
func (r *numberRun) find(raw string) (n workspace.Number, ok bool, text string, err error) {
	if norm, nerr := Normalise(raw, r.region().code); nerr == nil {
		n, ok, err = r.inv.ByE164(norm.E164)
		if err != nil || ok {
			return n, ok, norm.E164, err
		}
		text = norm.E164
	}
	n, ok, err = r.inv.ByName(strings.TrimSpace(raw))
	if err == nil && ok {
		return n, true, n.E164, nil
	}
	if text == "" {
		text = strings.TrimSpace(raw)
	}
	return n, false, text, err
}

// numbersOf gives numbers of others (MR6). Numbers that this person may not
// see beside an exclusive holder are left out and counted (R12).
func (r *numberRun) numbersOf(x *numberRow) (Truth, error) {
	var found []workspace.Number
	source := "numbers of group " + x.ofGroup
	if x.sameAttr >= 0 {
		v := r.attr(x.sameAttr)
		if !v.known {
			return Unknown, nil
		}
		a := &r.rules.attrs[x.sameAttr]
		source = r.shown(x.sameAttr, v.all())
		for _, k := range v.folded() {
			ns, err := r.inv.OwnedBySame(a.name, k)
			if err != nil {
				return Unknown, err
			}
			found = append(found, ns...)
		}
	} else {
		ns, err := r.inv.OfGroup(x.ofGroup)
		if err != nil {
			return Unknown, err
		}
		found = ns
	}
	left := 0
	seen := map[string]bool{}
	for _, n := range byE164(found) {
		if seen[n.ID] {
			continue
		}
		seen[n.ID] = true
		c, err := r.claim(x, n)
		if err != nil {
			return Unknown, err
		}
		if c.code != "" {
			left++
			continue
		}
		r.add(x, n, c, x.base("numbers_of", source))
	}
	if left > 0 {
		r.w.notice(&x.row, "%d numbers are left out: others hold them exclusively, or they may not be assigned now (R12)", left)
	}
	return True, nil
}

// wantOwned lists the numbers that a person's own attribute asks to own.
func (s *subject) wantOwned(w *Want) error {
	for i := range s.rules.ownEach {
		x := &s.rules.ownEach[i]
		if !x.inForce(s.now) {
			continue
		}
		t := x.eval(s)
		v := s.attr(x.attr)
		if t == True && !v.known || t == True && s.facts.Inventory == nil {
			t = Unknown
		}
		if t == Unknown {
			w.unknown(&x.row)
		}
		if t != True {
			continue
		}
		run := &numberRun{subject: s, w: w, inv: s.facts.Inventory}
		seen := map[string]bool{}
		for _, raw := range sortedValues(v.raw) {
			n, ok, text, err := run.find(raw)
			if err != nil {
				return err
			}
			if seen[text] {
				continue
			}
			seen[text] = true
			own := WantOwn{Number: n.ID, E164: text, Row: x.id, Owner: x.owner, Source: s.shown(x.attr, raw), Direct: x.direct}
			if !ok {
				own.Denied, own.DeniedCode = text+" is not in the inventory", deniedNotInInventory
			}
			w.Owns = append(w.Owns, own)
		}
	}
	return nil
}

// sortedValues puts the values of a list in an order of their own, since
// directories give them in any order.
func sortedValues(v []string) []string {
	if len(v) < 2 {
		return v
	}
	out := append([]string(nil), v...)
	sort.Strings(out)
	return out
}

// byE164 orders numbers.
func byE164(ns []workspace.Number) []workspace.Number {
	out := append([]workspace.Number(nil), ns...)
	sort.Slice(out, func(i, j int) bool { return out[i].E164 < out[j].E164 })
	return out
}
