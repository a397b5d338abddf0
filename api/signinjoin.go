package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// offerFor is how long the cookie of an offer lives; the engine counts anew.
const offerFor = 10 * time.Minute

// noAccount answers somebody whom nobody knows and no domain lets in.
func noAccount() *sync.SignInError {
	return &sync.SignInError{Rule: "OS2", Reason: "there is no account for you here yet", Remedy: "ask an Admin or Owner of the workspace for an invitation"}
}

// offer shows somebody whom nobody knows what a claimed domain lets them do,
// or tells why not. Nobody joins before the button is pressed (OS3).
func (s *SignIn) offer(w http.ResponseWriter, r *http.Request, c *SignInConnection, a *attempt, in sync.SignIn) {
	if c.TenantDomains != nil {
		var err error
		if in.Who.Evidence.TenantDomains, err = c.TenantDomains(r.Context()); err != nil {
			s.away(w, r, c, fmt.Errorf("%w: the tenant's domains: %w", sync.ErrProvider, err)) // E4: no word about the person
			return
		}
	}
	j, err := s.joinOf(r.Context(), c, &in)
	if err != nil {
		s.away(w, r, c, err)
		return
	}
	secret := newSecret()
	out, err := s.opt.Engine.OfferJoin(r.Context(), secret, sync.JoinOffer{SignIn: in, Return: a.Return, State: a.State}, j)
	if err = notJoined(&out, err); err != nil {
		s.away(w, r, c, err)
		return
	}
	s.setCookie(w, s.offerCookie(), secret, offerFor)
	http.Redirect(w, r, "/signin/"+c.ID+"/join", http.StatusSeeOther) // so that a reload asks nobody anew
}

// joinOf is the wish to join that a sign-in stands for.
func (s *SignIn) joinOf(ctx context.Context, c *SignInConnection, in *sync.SignIn) (j sync.Join, err error) {
	j = sync.Join{
		Workspace: c.Workspace, Name: in.Who.Identity.Name, Evidence: in.Who.Evidence, Channel: workspace.ChannelSignin, Txn: in.Txn, IP: in.IP, UserAgent: in.UserAgent,
	}
	j.Identity, err = s.record(ctx, c, &in.Who, &j.Evidence)
	return j, err
}

// notJoined is the refusal of a wish, nil if it would be granted or waits.
func notJoined(out *sync.Joined, err error) error {
	var bad *sync.EditError
	switch {
	case errors.As(err, &bad):
		return noAccount()
	case err != nil:
		return err
	case out.State == sync.JoinDone || out.State == sync.JoinWaits:
		return nil
	}
	return &sync.SignInError{Rule: out.Rule, Reason: lowered(out.Reason), Remedy: lowered(out.Remedy), Run: out.Run}
}

// record is the record that a joiner is linked with: the directory's, or the
// token's where there is no directory.
func (s *SignIn) record(ctx context.Context, c *SignInConnection, who *sync.SignedIn, ev *sync.Evidence) (*store.IdentityRow, error) {
	if c.Claims {
		row := sync.PolledRow(who.Identity)
		row.ObservedAt = workspace.At(who.SeenAt)
		return &row, nil
	}
	ev.Directory, ev.DirectoryID = c.Records, who.Subject
	h, err := s.opt.Engine.Handle(c.Workspace)
	if err != nil {
		return nil, err
	}
	var row *store.IdentityRow
	err = h.View(ctx, func(r *store.Reader) error {
		i, err := r.IdentityByExternal(c.Records, who.Subject, false)
		if isNotFound(err) {
			return nil
		}
		row = &store.IdentityRow{Identity: i}
		return err
	})
	return row, err
}

// offered is an offer as its page shows it.
type offered struct {
	Workspace string `json:"workspace"`
	Role      string `json:"role"`
	Email     string `json:"email"`
	Name      string `json:"name,omitempty"`
	// Waits is why an Owner or Admin decides; "" if nobody has to.
	Waits string `json:"waits,omitempty"`
	Price string `json:"price"`
}

// askJoin shows the offer of this browser; it changes nothing.
func (s *SignIn) askJoin(w http.ResponseWriter, r *http.Request) {
	c := s.connection(w, r, signsIn)
	if c == nil {
		return
	}
	o, err := s.opt.Engine.JoinOffer(r.Context(), c.Workspace, c.ID, s.offerSecret(r))
	if err != nil {
		s.noOffer(w, r, c, err)
		return
	}
	s.showOffer(w, r, c, &o, http.StatusOK, "")
}

// showOffer shows what joining would come to now, or why it no longer can.
func (s *SignIn) showOffer(w http.ResponseWriter, r *http.Request, c *SignInConnection, o *sync.JoinOffer, status int, fault string) {
	j, err := s.joinOf(r.Context(), c, &o.SignIn)
	if err == nil {
		j.DryRun = true
		var out sync.Joined
		out, err = s.opt.Engine.Join(r.Context(), j)
		if err = notJoined(&out, err); err == nil {
			s.showJoin(w, r, c, o, &out, status, fault)
			return
		}
	}
	s.away(w, r, c, err)
}

func (s *SignIn) showJoin(w http.ResponseWriter, r *http.Request, c *SignInConnection, o *sync.JoinOffer, out *sync.Joined, status int, fault string) {
	who := &o.SignIn.Who
	f := offered{Workspace: out.Workspace, Role: "Member", Email: who.Evidence.Email, Name: who.Identity.Name, Price: price(out.Price)}
	if out.State == sync.JoinWaits {
		f.Waits = out.Reason
	}
	if wantsJSON(r) {
		s.json(w, status, screen{Title: titleConfirm, Text: fault, Join: &f})
		return
	}
	// The press may lead back to the program that the sign-in was begun for.
	w.Header().Set("Content-Security-Policy", strings.Replace(contentPolicy, "form-action 'self'", "form-action 'self'"+originOf(o.Return), 1))
	showPage(w, r, s.log, status, view{
		Step: "confirm", Title: titleConfirm, Fault: fault, Action: r.URL.Path, SignsIn: true,
		Workspace: f.Workspace, Email: f.Email, Name: f.Name, Price: f.Price, Waits: f.Waits,
	})
}

// originOf is the origin of an address for a content policy, "" for none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return " " + u.Scheme + "://" + u.Host
}

// join takes the press of the button: it joins, and signs in.
func (s *SignIn) join(w http.ResponseWriter, r *http.Request) {
	c := s.connection(w, r, signsIn)
	if c == nil {
		return
	}
	secret, given := s.offerSecret(r), strings.TrimSpace(r.PostFormValue("name"))
	o, err := s.opt.Engine.JoinOffer(r.Context(), c.Workspace, c.ID, secret)
	if err == nil && o.SignIn.Who.Identity.Name == "" && given == "" {
		s.showOffer(w, r, c, &o, http.StatusUnprocessableEntity, "Your name is missing.")
		return
	}
	if err == nil {
		o, err = s.opt.Engine.TakeJoinOffer(r.Context(), c.Workspace, c.ID, secret) // once
	}
	if err != nil {
		s.noOffer(w, r, c, err)
		return
	}
	s.clearCookie(w, s.offerCookie())
	cookie, code := newSecret(), newSecret()
	in := s.wish(w, r, c, o.SignIn.Who, cookie, code)
	j, err := s.joinOf(r.Context(), c, &in)
	if err != nil {
		s.away(w, r, c, err)
		return
	}
	if j.Name == "" {
		j.Name = given
	}
	out, err := s.opt.Engine.Join(r.Context(), j)
	if err = notJoined(&out, err); err != nil {
		s.away(w, r, c, err)
		return
	}
	if out.State == sync.JoinWaits {
		s.log.Info("a wish to join waits", "workspace", c.Workspace, "connection", c.ID, "rule", out.Rule, "run_id", out.Run)
		s.show(w, r, http.StatusAccepted, screen{Title: "Your wish to join waits", Text: "An Owner or Admin decides on your joining.", Remedy: "Sign in again when they have.", Rule: out.Rule})
		return
	}
	row, err := s.opt.Engine.SignIn(r.Context(), in)
	if err != nil {
		s.away(w, r, c, err)
		return
	}
	s.begun(w, r, c, &attempt{Return: o.Return, State: o.State}, &row, cookie, code)
}

// noOffer answers a browser without an offer.
func (s *SignIn) noOffer(w http.ResponseWriter, r *http.Request, c *SignInConnection, err error) {
	if errors.Is(err, sync.ErrNoOffer) {
		err = &sync.SignInError{Rule: "OS3", Reason: "this browser was offered nothing to join, or longer than ten minutes ago", Remedy: "sign in again; cookies must be allowed"}
	}
	s.away(w, r, c, err)
}

// offerCookie holds the secret that opens an offer.
func (s *SignIn) offerCookie() string { return hostPrefix(s.secure) + "rollcall-offer" }

func (s *SignIn) offerSecret(r *http.Request) string {
	cookie, err := r.Cookie(s.offerCookie())
	if err != nil || len(cookie.Value) > 100 {
		return ""
	}
	return cookie.Value
}
