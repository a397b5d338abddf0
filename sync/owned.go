package sync

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// planOwned gives and takes ownership that the person's own attributes ask for.
func (u *unit) planOwned(p *person, exempt map[[3]string]bool) error {
	wanted := map[[2]string]bool{}
	for _, w := range p.want.Owns {
		if w.Denied != "" {
			if err := u.ruleOwned(p, w); err != nil {
				return err
			}
			continue
		}
		if exempt[[3]string{string(mapping.GrantOwner), w.Number, byRule(w.Row)}] {
			continue
		}
		n, ok := u.view.Numbers[w.Number]
		if !ok {
			return fmt.Errorf("mapping row %s names number %s, which was not read", w.Row, w.Number)
		}
		wanted[[2]string{n.ID, byRule(w.Row)}] = true
		c, err := u.ruleCause(p, w.Row, w.Owner, w.Source, w.Direct)
		if err != nil {
			return err
		}
		if slices.Contains(n.Owners, p.member.ID) {
			u.renew(p, mapping.GrantOwner, n.ID, "", w.Row, c, p.supported(mapping.GrantOwner, n.ID))
			continue
		}
		u.addFor(p, workspace.Change{
			Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID,
			After: workspace.Ownership{Number: n.ID, Member: p.member.ID}, Cause: c,
		}, u.supportBy(p, mapping.GrantOwner, n.ID, "", c))
	}
	for _, n := range p.numbers {
		u.planDisown(p, n, wanted)
	}
	return nil
}

// ruleOwned records a number that a person's attribute names and that they
// may not own (VW10).
func (u *unit) ruleOwned(p *person, w mapping.WantOwn) error {
	cause, err := u.ruleCause(p, w.Row, w.Owner, w.Source, w.Direct)
	if err != nil {
		return err
	}
	c := workspace.Change{
		Kind: workspace.NumberOwner, Subject: workspace.Ref{Type: "number", ID: w.Number, Label: orElse(w.E164, "a number")},
		Member: p.member.ID, Cause: cause, After: workspace.Ownership{Number: w.Number, Member: p.member.ID},
	}
	d := &workspace.Decision{Verdict: workspace.Deny, Rule: w.Row, Reason: w.Denied, Remedy: "correct the number in the directory"}
	if w.DeniedCode == "notInInventory" {
		d.Remedy = remedyNotInInventory
	}
	var refuse *Refusal
	if cause.Direct {
		refuse = &Refusal{Verdict: workspace.Deny, Kind: RefusedInvalid, Rule: d.Rule, Reason: d.Reason, Remedy: d.Remedy}
	}
	u.add(planned{Change: c, subject: p.key, person: p.key, ruling: d, refuse: refuse})
	return nil
}

// planDisown ends ownership whose last supporter was a row that is true no
// more. Rows of number_owner are kept apart: they are judged per number.
func (u *unit) planDisown(p *person, n *workspace.Number, wanted map[[2]string]bool) {
	if !slices.Contains(n.Owners, p.member.ID) {
		return
	}
	given := p.supported(mapping.GrantOwner, n.ID)
	var then []effect
	var last store.SupportRow
	for _, s := range given {
		row, isRule := strings.CutPrefix(s.By, "rule ")
		if isRule && !wanted[[2]string{n.ID, s.By}] && !p.want.UnknownRows[row] && !u.ownerRow(row) || u.lapsed(&s) {
			then, last = append(then, u.unsupport(p, s)), s
		}
	}
	if len(then) == 0 {
		return
	}
	if len(then) < len(given) {
		for _, e := range then {
			u.always(p, e)
		}
		return
	}
	c := u.cause(p, workspace.CauseRule)
	c.Rule, c.Source = strings.TrimPrefix(last.By, "rule "), last.Source
	u.addFor(p, workspace.Change{
		Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID,
		Before: workspace.Ownership{Number: n.ID, Member: p.member.ID}, Cause: c,
	}, then...)
}
