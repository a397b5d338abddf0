package sync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// offering is what a provider has proved of somebody who may join.
func (w *world) offering(email string) (JoinOffer, Join) {
	ev := Evidence{Email: email, Connection: "idp", Subject: "s-" + email, EmailVerified: true, At: w.clock}
	o := JoinOffer{
		Return: "https://phone.acme.org/after", State: "abc",
		SignIn: SignIn{Workspace: "acme", Connection: "idp", Who: SignedIn{
			Issuer: "https://idp.acme.org", Subject: ev.Subject, SeenAt: w.clock, Grant: "v1.sealed", Groups: []string{"g"}, GroupsKnown: true, Evidence: ev,
			Identity: workspace.Identity{ExternalID: ev.Subject, UserName: email, Email: email, Name: "Zoe", Active: true, Attributes: workspace.Attributes{"email": {email}}},
		}},
	}
	row := PolledRow(o.SignIn.Who.Identity)
	return o, Join{Workspace: "acme", Name: "Zoe", Evidence: ev, Identity: &row}
}

// reads looks into the store.
func (w *world) reads(look func(*store.Reader) error) {
	w.tb.Helper()
	if err := w.st.In("acme").View(context.Background(), look); err != nil {
		w.tb.Fatal(err)
	}
}

// OS3: an offer changes nobody, comes back whole, to its browser, connection
// and workspace alone, once, and its row is unreadable without the secret.
func TestJoinOffer(t *testing.T) {
	ctx := context.Background()
	engines(t, func(t *testing.T, w *world) {
		joining(t, w)
		o, j := w.offering("zoe@acme.org")
		reports := func() (n int) {
			w.reads(func(r *store.Reader) error {
				rows, err := r.Runs("", 0, 100)
				n = len(rows)
				return err
			})
			return n
		}
		before := reports()
		out, err := w.e.OfferJoin(ctx, "secret", o, j)
		if err != nil || out.State != JoinDone || out.Run != "" || out.Member != "" || out.Workspace == "" {
			t.Fatalf("%+v, %v", out, err)
		}
		w.want("zoe@acme.org", "nobody")
		if n := reports(); n != before {
			t.Errorf("%d reports of an offer", n-before)
		}
		w.reads(func(r *store.Reader) error {
			row, err := r.JoinOffer(offerKey("secret"))
			for _, word := range []string{"zoe", "acme", "v1.sealed", "secret"} {
				if strings.Contains(row.Sealed, word) || strings.Contains(row.Offer, word) {
					t.Errorf("the row says %s", word)
				}
			}
			return err
		})
		got, err := w.e.JoinOffer(ctx, "acme", "idp", "secret")
		if diff := cmp.Diff(o, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		for _, other := range [][2]string{{"idp", "other"}, {"google", "secret"}} {
			if _, err := w.e.JoinOffer(ctx, "acme", other[0], other[1]); !errors.Is(err, ErrNoOffer) {
				t.Errorf("%v: %v", other, err)
			}
		}
		if _, err := w.e.TakeJoinOffer(ctx, "acme", "idp", "secret"); err != nil {
			t.Error(err)
		}
		if _, err := w.e.TakeJoinOffer(ctx, "acme", "idp", "secret"); !errors.Is(err, ErrNoOffer) {
			t.Errorf("twice: %v", err)
		}
		// A refusal is on record, and there is nothing to press.
		j.Evidence.EmailVerified = false
		if out, err := w.e.OfferJoin(ctx, "s2", o, j); err != nil || out.State != JoinRefused || reports() != before+1 {
			t.Errorf("%+v, %v", out, err)
		}
		if _, err := w.e.JoinOffer(ctx, "acme", "idp", "s2"); !errors.Is(err, ErrNoOffer) {
			t.Errorf("refused: %v", err)
		}
		// What is not pressed is forgotten.
		j.Evidence.EmailVerified = true
		if _, err := w.e.OfferJoin(ctx, "s3", o, j); err != nil {
			t.Error(err)
		}
		w.clock = w.clock.Add(10*time.Minute + time.Second)
		if err := w.e.Tidy(ctx, "acme"); err != nil {
			t.Error(err)
		}
		w.reads(func(r *store.Reader) error {
			if _, err := r.JoinOffer(offerKey("s3")); !errors.Is(err, workspace.ErrNotFound) {
				t.Errorf("the row stays: %v", err)
			}
			return nil
		})
		w.sound()
	})
}
