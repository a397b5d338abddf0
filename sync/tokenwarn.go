package sync

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// warnDays are the days before the end of a token on which people are warned
// (scim section 11): an expired one stops a directory's job.
var warnDays = []int{1, 7, 14, 30}

// codeToken is the finding about tokens that end.
const codeToken = "F13"

// TokenDays is how many whole days a token is good for still; -1 for one that
// has ended.
func TokenDays(t *store.TokenRow, now workspace.Micros) int {
	if !LiveToken(t, now) {
		return -1
	}
	return int(time.Duration(t.ExpiresAt-now) * time.Microsecond / (24 * time.Hour))
}

// tokenWarning is a token whose end is to be warned of, days before it.
type tokenWarning struct {
	token store.TokenRow
	days  int
}

// tokenWarnings finds which tokens are to be warned of now, and which findings
// are over. A token that has a successor is nobody's concern.
func tokenWarnings(r *store.Reader, now workspace.Micros) (warn []tokenWarning, over []store.FindingRow, err error) {
	tokens, err := r.Tokens("")
	if err != nil {
		return nil, nil, err
	}
	concern := map[string]bool{}
	for i := range tokens {
		t := &tokens[i]
		days, due := warnedAt(t, now)
		if !due || slices.ContainsFunc(tokens, func(o store.TokenRow) bool { return succeeds(&o, t, now) }) {
			continue
		}
		concern[t.Connection] = true
		if t.Warned == 0 || days < t.Warned {
			warn = append(warn, tokenWarning{*t, days})
		}
	}
	open, err := r.OpenFindings(1000)
	for i := range open {
		if f := &open[i]; f.Code == codeToken && f.SubjectType == "connection" && !concern[f.Subject] {
			over = append(over, *f)
		}
	}
	return warn, over, err
}

// warnedAt is the warning that a token's end is near enough for.
func warnedAt(t *store.TokenRow, now workspace.Micros) (days int, due bool) {
	left := time.Duration(t.ExpiresAt-now) * time.Microsecond
	for _, days := range warnDays {
		if LiveToken(t, now) && left <= time.Duration(days)*24*time.Hour {
			return days, true
		}
	}
	return 0, false
}

// succeeds reports whether a token replaces another one that ends.
func succeeds(o, t *store.TokenRow, now workspace.Micros) bool {
	_, ends := warnedAt(o, now)
	return o.ID != t.ID && o.Connection == t.Connection && o.Kind == t.Kind && slices.Equal(o.Scopes, t.Scopes) && LiveToken(o, now) && !ends
}

// planTokens warns of tokens that end, once for each of 30, 14, 7 and 1 days.
func (u *unit) planTokens() error {
	warn, over, err := tokenWarnings(&u.tx.Reader, u.now)
	if err != nil {
		return err
	}
	for i := range over {
		if err := u.closeFinding(over[i]); err != nil {
			return err
		}
	}
	for i := range warn {
		if err := u.warnToken(&warn[i]); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) closeFinding(f store.FindingRow) error {
	f.ClosedAt, f.ClosedRun = u.now, u.run
	if err := u.tx.CloseFinding(f.ID, u.run, u.now); err != nil {
		return err
	}
	u.findings = append(u.findings, f)
	return nil
}

// warnToken notes one warning, in the place of an earlier one about the same
// connection, and says so in the log.
func (u *unit) warnToken(w *tokenWarning) error {
	t := &w.token
	if err := u.tx.WarnToken(*t, w.days); err != nil {
		return err
	}
	open, err := u.tx.FindingsOf(codeToken, "connection", t.Connection)
	if err != nil {
		return err
	}
	for i := range open {
		if err := u.closeFinding(open[i]); err != nil {
			return err
		}
	}
	severity := "warning"
	if w.days <= 1 {
		severity = "high"
	}
	f := store.FindingRow{
		ID: newID(), Code: codeToken, Severity: severity, SubjectType: "connection", Subject: t.Connection, OpenedAt: u.now, OpenedRun: u.run,
		Text: fmt.Sprintf("The token %s of connection %s ends at %s, in %d days or less: its requests are refused from then on.", t.ID, t.Connection,
			t.ExpiresAt.Time().UTC().Format(time.RFC3339), w.days),
		Remedy: fmt.Sprintf("an administrator runs rollcall token create --connection %s, gives the token to the identity provider, then runs rollcall token revoke %s", t.Connection, t.ID),
	}
	if err := u.tx.OpenFinding(f); err != nil {
		return err
	}
	u.findings = append(u.findings, f)
	u.tx.AfterCommit(func() {
		u.e.log.Warn("a token ends soon (F13)", "workspace", u.s.cfg.ID, "connection", t.Connection, "token", t.ID, "days", w.days,
			"expires_at", t.ExpiresAt.String(), "remedy", f.Remedy)
	})
	return nil
}
