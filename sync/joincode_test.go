package sync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// mailed asks for a code that must be mailed.
func (w *world) mailed(browser, address string) string {
	w.tb.Helper()
	m, err := w.e.AskCode(context.Background(), browser, address, "192.0.2.1")
	if err != nil || m == nil {
		w.tb.Fatalf("no code for %s: %v", address, err)
	}
	return m.Code
}

func (w *world) check(browser, code string) error {
	return w.e.CheckCode(context.Background(), browser, code)
}

// wrong is a code that is not this one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// TestJoinByCode is the row "mailbox code" of DC7: bound to the browser, one
// use, and membership alone.
func TestJoinByCode(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		code := w.mailed("b1", "zoe@acme.org")
		if len(code) != 6 {
			t.Errorf("%q is not six digits", code)
		}
		if err := w.check("b2", code); !errors.Is(err, ErrCode) {
			t.Errorf("another browser: %v", err)
		}
		if _, err := w.e.Applicant(context.Background(), "b1"); !errors.Is(err, ErrCode) {
			t.Errorf("before the proof: %v", err)
		}
		if err := w.check("b1", code[:3]+" "+code[3:]); err != nil {
			t.Fatalf("the code as people type it: %v", err)
		}
		if err := w.check("b1", code); !errors.Is(err, ErrCode) {
			t.Errorf("a code is good once: %v", err)
		}
		a, err := w.e.Applicant(context.Background(), "b1")
		if err != nil || a.Name != "Acme Inc" || a.Would.State != JoinDone || a.Would.Price.Monthly == 0 {
			t.Fatalf("%+v %v", a, err)
		}
		w.want("zoe@acme.org", "nobody") // looking changes nothing
		out, err := w.e.JoinByCode(context.Background(), "b1", "Zoe", "txn", "192.0.2.1", "test")
		if err != nil || out.State != JoinDone {
			t.Fatalf("%+v %v", out, err)
		}
		w.want("zoe@acme.org", "member active")
		if _, err := w.e.JoinByCode(context.Background(), "b1", "Zoe", "", "", ""); !errors.Is(err, ErrCode) {
			t.Errorf("a proof is used up: %v", err)
		}
		w.sound()
	})
}

// TestCodeTries: five tries, the right one afterwards is too late.
func TestCodeTries(t *testing.T) {
	w := joining(t, lite(t))
	code := w.mailed("b1", "zoe@acme.org")
	for range codeTries {
		if err := w.check("b1", wrong(code)); !errors.Is(err, ErrCode) {
			t.Fatal(err)
		}
	}
	if err := w.check("b1", code); !errors.Is(err, ErrCode) {
		t.Errorf("the sixth try: %v", err)
	}
}

// TestCodeRunsOut: ten minutes for the code, and ten for the proof.
func TestCodeRunsOut(t *testing.T) {
	w := joining(t, lite(t))
	code := w.mailed("b1", "zoe@acme.org")
	w.clock = w.clock.Add(joinCodeFor)
	if err := w.check("b1", code); !errors.Is(err, ErrCode) {
		t.Errorf("after ten minutes: %v", err)
	}
	code = w.mailed("b2", "zoe@acme.org")
	w.clock = w.clock.Add(joinCodeFor - time.Second)
	if err := w.check("b2", code); err != nil {
		t.Errorf("just in time: %v", err)
	}
	w.clock = w.clock.Add(evidenceFor)
	if _, err := w.e.JoinByCode(context.Background(), "b2", "Zoe", "", "", ""); !errors.Is(err, ErrCode) {
		t.Errorf("a proof from ten minutes ago: %v", err)
	}
}

// TestCodesAreLimited: per address and per domain no further mail, per client
// an error; and outside nothing tells an address that may join from others.
func TestCodesAreLimited(t *testing.T) {
	w := joining(t, lite(t))
	ctx := context.Background()
	for i := range w.e.codes.Address {
		w.mailed(fmt.Sprint("b", i), "zoe@acme.org")
	}
	if m, err := w.e.AskCode(ctx, "over", "ZOE@acme.org", "192.0.2.2"); m != nil || err != nil {
		t.Errorf("too many for an address: %v %v", m, err)
	}
	for i := range w.e.codes.Domain {
		if _, err := w.e.AskCode(ctx, fmt.Sprint("d", i), fmt.Sprintf("a%d@acme.org", i), fmt.Sprintf("192.0.3.%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := w.e.AskCode(ctx, "over2", "new@acme.org", "192.0.2.2"); m != nil || err != nil {
		t.Errorf("too many for a domain: %v %v", m, err)
	}
	for i := range w.e.codes.Network {
		if _, err := w.e.AskCode(ctx, fmt.Sprint("c", i), fmt.Sprintf("a%d@other.org", i), "192.0.2.9"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range w.e.codes.Network {
		if _, err := w.e.AskCode(ctx, fmt.Sprint("v6-", i), fmt.Sprintf("b%d@other.org", i), fmt.Sprintf("2001:db8:0:1::%x", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.e.AskCode(ctx, "over4", "b@other.org", "2001:db8:0:1:ffff::1"); !errors.Is(err, ErrTooManyCodes) {
		t.Errorf("too many of one IPv6 network: %v", err)
	}
	if _, err := w.e.AskCode(ctx, "over3", "a@other.org", "192.0.2.9"); !errors.Is(err, ErrTooManyCodes) {
		t.Errorf("too many of a client: %v", err)
	}
	w.clock = w.clock.Add(time.Hour + time.Second)
	w.mailed("later", "zoe@acme.org")
}

// TestCodesAreSilent: whether somebody is a member, may join, or neither, the
// same happens as far as anybody outside can tell.
func TestCodesAreSilent(t *testing.T) {
	w := joining(t, lite(t))
	for _, address := range []string{"zoe@acme.org", "ann@acme.com", "nobody@unclaimed.org"} {
		if _, err := w.e.AskCode(context.Background(), address, address, "192.0.2.1"); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if err := w.check(address, "x"); !errors.Is(err, ErrCode) {
			t.Errorf("%s: %v", address, err)
		}
		err := w.e.anywhere().View(context.Background(), func(r *store.Reader) error {
			row, err := r.JoinCode(browserKey(address))
			if err == nil && (row.Tries != 1 || row.Code == "") {
				t.Errorf("%s: %+v", address, row)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s has no row: %v", address, err)
		}
	}
	for _, text := range []string{"", "zoe", "Zoe <zoe@acme.org>", "a@acme.org,b@acme.org", "a@acme.org\nBcc: x@y.z", "a%b@acme.org", "x!a@acme.org", "a@b@acme.org", "a\x00@acme.org"} {
		var bad *EditError
		if m, err := w.e.AskCode(context.Background(), "b", text, "c"); m != nil || !errors.As(err, &bad) {
			t.Errorf("%q (DC6): %v %v", text, m, err)
		}
	}
}

// TestCodesAreForgotten: a day later no row of who asked is left.
func TestCodesAreForgotten(t *testing.T) {
	w := joining(t, lite(t))
	w.mailed("b1", "zoe@acme.org")
	for _, left := range []bool{true, false} {
		if err := w.e.ForgetCodes(context.Background()); err != nil {
			t.Fatal(err)
		}
		err := w.e.anywhere().View(context.Background(), func(r *store.Reader) error {
			_, err := r.JoinCode(browserKey("b1"))
			return err
		})
		if (err == nil) != left {
			t.Errorf("left %t: %v", left, err)
		}
		w.clock = w.clock.Add(codesKept + time.Second)
	}
}

// TestNoCodesWhereNobodyJoins: auto_join off, or codes not admitted, mails
// nothing.
func TestNoCodesWhereNobodyJoins(t *testing.T) {
	w := joining(t, lite(t))
	w.cfg.Domains.AutoJoin = AutoJoinOff
	w.open()
	if m, err := w.e.AskCode(context.Background(), "b1", "zoe@acme.org", "c"); m != nil || err != nil {
		t.Errorf("off: %v %v", m, err)
	}
	w.cfg.Domains.AutoJoin, w.cfg.Domains.Evidence = AutoJoinOn, []EvidenceRow{ByDirectory}
	w.open()
	if m, err := w.e.AskCode(context.Background(), "b2", "zoe@acme.org", "c"); m != nil || err != nil {
		t.Errorf("not admitted: %v %v", m, err)
	}
}
