package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestOtherClientIsAFinding is F20: traffic that looks like another client's
// opens a finding with its evidence, once; it ends when the profile is changed
// or the traffic has stopped for a day, and a new one begins at nothing.
func TestOtherClientIsAFinding(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		sent := func(like, profile string, n int) {
			t.Helper()
			seen := OtherClient{Like: like, Shape: "User-Agent", Profile: profile}
			w.write(func(tx *store.Tx) error {
				return tx.AddTolerances("okta", []store.ToleranceUse{{Rule: NoteOtherClient, Attribute: seen.String(), Count: n}}, workspace.At(w.clock))
			})
		}
		open := func() (list []string) {
			t.Helper()
			w.due()
			if n := w.due(); n != 0 {
				t.Errorf("%d of it were found again", n)
			}
			w.read(func(r *store.Reader) error {
				rows, err := r.OpenFindings(10)
				for _, f := range rows {
					list = append(list, fmt.Sprintf("%s %s %s %s | %s | %s", f.Code, f.Severity, f.SubjectType, f.Subject, f.Text, f.Remedy))
				}
				return err
			})
			return list
		}
		is := func(what string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, open()); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		finding := func(n int, since, what, profile string) string {
			return fmt.Sprintf("F20 warning connection okta | %d requests over connection okta, whose profile is okta, look like another client's since %s: %s. | "+
				"if that client is the right one, write profile: %s at connection okta; if it is not, somebody else holds the token: "+
				"an administrator runs rollcall token create --connection okta, then revokes the old one", n, since, what, profile)
		}
		sent("entra", "okta", 4)
		is("a trial")
		sent("entra", "okta", 3)
		w.clock = w.clock.Add(time.Minute)
		first := finding(7, "2026-11-21T08:00:00Z", "entra by User-Agent (7)", "entra")
		is("traffic", first)
		sent("entra", "okta", 100)
		is("more of it", first)
		sent("ping", "okta", 5)
		is("of two", finding(112, "2026-11-21T08:00:00Z", "entra by User-Agent (107), ping by User-Agent (5)", "entra or profile: ping"))

		w.clock = w.clock.Add(23 * time.Hour)
		is("still of two", finding(112, "2026-11-21T08:00:00Z", "entra by User-Agent (107), ping by User-Agent (5)", "entra or profile: ping"))
		w.clock = w.clock.Add(time.Hour)
		is("it has stopped")
		sent("entra", "okta", 1)
		is("one after a rest")
		sent("entra", "okta", 4)
		is("again", finding(5, "2026-11-22T08:01:00Z", "entra by User-Agent (5)", "entra"))

		w.cfg.Connections[0].Profile = "entra"
		w.open()
		is("the profile was changed")
		var left []store.Tolerated
		w.read(func(r *store.Reader) (err error) { left, err = r.Tolerances("okta"); return err })
		if len(left) != 0 {
			t.Errorf("counts are left: %+v", left)
		}
		if opened, closed := w.outbox("finding.opened"), w.outbox("finding.closed"); len(opened) != 3 || len(closed) != 3 {
			t.Errorf("%d were opened and %d closed, want 3 and 3", len(opened), len(closed))
		}
		w.audited()
		w.sound()
	})
}

// TestOtherClientText: a note is read as it was written, and nothing else is.
func TestOtherClientText(t *testing.T) {
	t.Parallel()
	c := OtherClient{Like: "entra", Shape: "the schema http://schemas.microsoft.com/", Profile: "okta"}
	if got, ok := ParseOtherClient(c.String()); !ok || got != c {
		t.Errorf("%q is read as %+v, %v", c, got, ok)
	}
	for _, text := range []string{"", "entra", "entra under okta", "entra by x"} {
		if got, ok := ParseOtherClient(text); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
