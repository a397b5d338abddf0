package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	stdsync "sync"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Provider is an OpenID provider through which people sign in, and which may
// tell things of its own accord. Its errors are *sync.SignInError,
// sync.ErrProvider and sync.ErrSignal. It is safe for concurrent use.
type Provider interface {
	// Begin gives the address that the browser is sent to.
	Begin(ctx context.Context, a sync.Attempt) (string, error)
	// Finish verifies what the browser came back with.
	Finish(ctx context.Context, a sync.Attempt, query url.Values) (sync.SignedIn, error)
	// Logout verifies a logout token, Set a security event token.
	Logout(ctx context.Context, token string) (sync.Signals, error)
	Set(ctx context.Context, token string) (sync.Signals, error)
}

// SignInConnection is a connection through which people sign in, or that takes
// signals. Ids are unique over all workspaces.
type SignInConnection struct {
	Workspace, ID string
	Provider      Provider
	// SignIn, Backchannel and Push say which endpoints the connection has.
	SignIn, Backchannel, Push bool
	// Authorized checks the bearer token of a push; nil takes any, for the
	// tokens themselves are signed.
	Authorized func(bearer string) bool
	// Keys is the set of public keys with which the client proves itself (RFC
	// 7517); nil for one that signs nothing.
	Keys func() (any, error)
	// TenantDomains reads the domains that the account's tenant has verified
	// (Entra); nil where nobody can tell.
	TenantDomains func(ctx context.Context) ([]string, error)
	// ReturnTo are the addresses that a sign-in may return to.
	ReturnTo []string
	// Records is the connection whose records these people are.
	Records string
	// Claims: no directory knows them better than their tokens do.
	Claims bool
}

// SignInOptions are what a SignIn needs.
type SignInOptions struct {
	Engine      *sync.Engine
	Logger      *slog.Logger // nil drops; no token, code or address reaches it
	Now         func() time.Time
	PublicURL   string // without a path
	Connections []SignInConnection
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// SignIns are how many sign-ins one address begins in a minute, Signals how
	// many signals of one connection and address are looked at in a second; zero
	// is 10 and 50.
	SignIns, Signals int
	// Ask reads one person from a directory, now; nil asks nobody.
	Ask func(ctx context.Context, workspace, connection, person, trigger string) error
}

// The limits of sign-ins and signals (reliability section 8, SI4, ON4).
const (
	signInBody   = 64 << 10
	signInsUsual = 10 // begun or ended a minute, per address; twice as many at once
	signalsUsual = 50 // a second, per connection and address; four times as many at once
	askedAtOnce  = 8
	signInMax    = 40 * time.Second
	maxReturnURL = 2048
)

// SignIn serves /signin, /session and /v1/signals: people who sign in through
// OpenID providers, and what those providers tell. It is safe for concurrent
// use; Close ends what it does in the background.
type SignIn struct {
	opt     SignInOptions
	log     *slog.Logger
	now     func() time.Time
	of      map[string]*SignInConnection
	secure  bool // cookies are sent over TLS alone
	mux     *http.ServeMux
	people  *admission.Buckets
	signals *admission.Buckets

	background context.Context
	stop       context.CancelFunc
	asking     chan struct{}
	wg         stdsync.WaitGroup
}

// NewSignIn checks the options and builds the handler.
func NewSignIn(opt SignInOptions) (*SignIn, error) {
	if opt.Engine == nil || opt.PublicURL == "" {
		return nil, errors.New("api: SignInOptions.Engine and PublicURL are needed")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	ins, signals := float64(cmp.Or(opt.SignIns, signInsUsual)), float64(cmp.Or(opt.Signals, signalsUsual))
	s := &SignIn{
		opt: opt, log: opt.Logger, now: opt.Now, of: map[string]*SignInConnection{}, secure: strings.HasPrefix(opt.PublicURL, "https://"),
		mux: http.NewServeMux(), people: admission.NewBuckets(ins/60, 2*ins), signals: admission.NewBuckets(signals, 4*signals),
		asking: make(chan struct{}, askedAtOnce),
	}
	s.background, s.stop = context.WithCancel(context.Background())
	for i := range opt.Connections {
		c := &opt.Connections[i]
		if s.of[c.ID] != nil {
			return nil, errors.New("api: two connections with the id " + c.ID)
		}
		s.of[c.ID] = c
	}
	// A form of another site must not end a session here.
	sameSite := http.NewCrossOriginProtection()
	s.mux.HandleFunc("GET /signin", s.choose)
	s.mux.HandleFunc("GET /signin/{connection}", s.begin)
	s.mux.HandleFunc("POST /signin/{connection}", s.begin) // a secret stands in no address
	s.mux.HandleFunc("GET /signin/{connection}/callback", s.callback)
	s.mux.HandleFunc("GET /signin/{connection}/join", s.askJoin)
	s.mux.Handle("POST /signin/{connection}/join", sameSite.Handler(http.HandlerFunc(s.join)))
	s.mux.HandleFunc("POST /signin/{connection}/backchannel", s.backchannel)
	s.mux.HandleFunc("GET /signin/{connection}/jwks", s.jwks)
	s.mux.HandleFunc("GET /session", s.session)
	s.mux.Handle("POST /session/end", sameSite.Handler(http.HandlerFunc(s.end)))
	s.mux.HandleFunc("POST /v1/signals/{connection}", s.push)
	return s, nil
}

// Close ends questions to directories that are under way, and waits for them.
func (s *SignIn) Close() {
	s.stop()
	s.wg.Wait()
}

// ServeHTTP answers one request.
func (s *SignIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	head.Set("X-Request-Id", uuid.Must(uuid.NewV7()).String())
	r.Body = http.MaxBytesReader(w, r.Body, signInBody)
	ctx, cancel := context.WithTimeout(r.Context(), signInMax)
	defer cancel()
	s.mux.ServeHTTP(w, r.WithContext(ctx))
}

// connection finds the connection of a request; nil after it has answered.
func (s *SignIn) connection(w http.ResponseWriter, r *http.Request, has func(*SignInConnection) bool) *SignInConnection {
	c := s.of[r.PathValue("connection")]
	if c == nil || !has(c) {
		s.show(w, r, http.StatusNotFound, screen{Title: "Not found", Text: "There is no such way to sign in.", Remedy: "Look at the address."})
		return nil
	}
	return c
}

func signsIn(c *SignInConnection) bool { return c.SignIn }

// slow refuses an address that begins too often.
func (s *SignIn) slow(w http.ResponseWriter, r *http.Request) bool {
	wait, ok := s.people.Take(admission.ClientIP(s.opt.TrustedProxies, r), s.now())
	if ok {
		return false
	}
	w.Header().Set("Retry-After", seconds(wait))
	s.show(w, r, http.StatusTooManyRequests, screen{Title: "Too many tries", Text: "There were too many sign-ins from this address.", Remedy: "Wait a minute, then try again."})
	return true
}

// choose lists the ways to sign in.
func (s *SignIn) choose(w http.ResponseWriter, r *http.Request) {
	p := screen{Title: "Sign in"}
	for i := range s.opt.Connections {
		if c := &s.opt.Connections[i]; c.SignIn {
			p.Links = append(p.Links, link{"/signin/" + c.ID, "Sign in with " + c.ID})
		}
	}
	s.show(w, r, http.StatusOK, p)
}

// begin sends the browser to the provider. An invitation is opened by a form:
// its secret must stand in no address.
func (s *SignIn) begin(w http.ResponseWriter, r *http.Request) {
	c := s.connection(w, r, signsIn)
	if c == nil || s.slow(w, r) {
		return
	}
	asked := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			s.show(w, r, http.StatusBadRequest, screen{Title: "Not understood", Text: "The form could not be read.", Remedy: "Go back and try again."})
			return
		}
		asked = r.PostForm
	} else {
		asked.Del("secret")
	}
	back := asked.Get("return")
	if back != "" && !c.returnsTo(back) {
		s.show(w, r, http.StatusBadRequest, screen{
			Title: "Wrong address", Text: "The sign-in may not return to that address.", Remedy: "Whoever runs the workspace adds it to return_to of the connection.",
		})
		return
	}
	a, err := newAttempt(c.ID, s.now(), asked)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	to, err := c.Provider.Begin(r.Context(), a.bound(s.redirect(c)))
	if err != nil {
		s.away(w, r, c, err)
		return
	}
	s.setCookie(w, a.cookieName(s.secure), a.encode(), attemptFor)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// redirect is the connection's one redirect URI (OS1).
func (s *SignIn) redirect(c *SignInConnection) string {
	return s.opt.PublicURL + "/signin/" + c.ID + "/callback"
}

// callback takes the browser back: it redeems, verifies, and begins a session.
func (s *SignIn) callback(w http.ResponseWriter, r *http.Request) {
	c := s.connection(w, r, signsIn)
	if c == nil {
		return
	}
	a, ok := s.attempt(r, c.ID)
	if !ok {
		if s.slow(w, r) { // who has begun was counted then
			return
		}
		s.refused(w, r, c, &sync.SignInError{Rule: "OS1", Reason: "this browser began no such sign-in, or too long ago", Remedy: "begin again; cookies must be allowed"})
		return
	}
	s.clearCookie(w, a.cookieName(s.secure)) // once, whatever comes of it
	who, err := c.Provider.Finish(r.Context(), a.bound(s.redirect(c)), r.URL.Query())
	if err != nil {
		s.away(w, r, c, err)
		return
	}
	cookie, code := newSecret(), newSecret()
	in := s.wish(w, r, c, who, cookie, code)
	if a.Link {
		in.Fresh = s.cookieHash(r)
	}
	row, err := s.enter(r.Context(), c, in)
	if unknown(err) && a.Invitation != "" {
		row, err = s.accept(r.Context(), c, a, in)
	}
	if unknown(err) {
		s.offer(w, r, c, a, in)
		return
	}
	if err != nil {
		s.away(w, r, c, err)
		return
	}
	s.begun(w, r, c, a, &row, cookie, code)
}

// wish is the wish for a session, with the secrets that it shall have.
func (s *SignIn) wish(w http.ResponseWriter, r *http.Request, c *SignInConnection, who sync.SignedIn, cookie, code string) sync.SignIn {
	return sync.SignIn{
		Workspace: c.Workspace, Connection: c.ID, Who: who, CookieHash: hashOf(cookie), CodeHash: hashOf(code), Txn: w.Header().Get("X-Request-Id"),
		IP: admission.ClientIP(s.opt.TrustedProxies, r), UserAgent: shortened(r.UserAgent()),
	}
}

// begun gives the browser its session.
func (s *SignIn) begun(w http.ResponseWriter, r *http.Request, c *SignInConnection, a *attempt, row *store.SessionRow, cookie, code string) {
	s.log.Info("signed in", "workspace", c.Workspace, "connection", c.ID, "member_id", row.Member)
	s.setCookie(w, s.sessionCookie(), cookie, row.ExpiresAt.Time().Sub(s.now()))
	s.signedIn(w, r, c, a, row, code)
}

// enter begins the session; who is not known is looked for in the directory.
func (s *SignIn) enter(ctx context.Context, c *SignInConnection, in sync.SignIn) (store.SessionRow, error) {
	row, err := s.opt.Engine.SignIn(ctx, in)
	if unknown(err) && !c.Claims && s.opt.Ask != nil {
		if aerr := s.opt.Ask(ctx, c.Workspace, c.Records, in.Who.Subject, "signin"); aerr != nil {
			s.log.Warn("the directory could not be asked about somebody who signs in", "workspace", c.Workspace, "connection", c.Records, "err", aerr)
		}
		row, err = s.opt.Engine.SignIn(ctx, in)
	}
	return row, err
}

// accept accepts the invitation that the attempt was begun with, and links the
// account with the member it makes: the invited address must be the account's
// (R18).
func (s *SignIn) accept(ctx context.Context, c *SignInConnection, a *attempt, in sync.SignIn) (store.SessionRow, error) {
	res, err := s.opt.Engine.Edit(ctx, sync.EditBatch{
		Workspace: c.Workspace, Kind: workspace.ActorMember, Channel: workspace.ChannelSignin, Txn: in.Txn, Trigger: "request", IP: in.IP, UserAgent: in.UserAgent,
		Edits: []sync.Edit{{Kind: sync.EditAccept, Invitation: a.Invitation, Proof: a.Proof, Email: in.Who.Identity.Email, Name: in.Who.Identity.Name}},
	})
	var bad *sync.EditError
	if errors.As(err, &bad) {
		return store.SessionRow{}, &sync.SignInError{Rule: "R18", Reason: bad.Reason, Remedy: bad.Remedy}
	}
	if err != nil {
		return store.SessionRow{}, err
	}
	for i := range res.Outcomes {
		o := &res.Outcomes[i]
		if k := o.Decision.Change.Kind; k != workspace.MemberCreate && k != workspace.MemberReactivate {
			continue
		}
		if o.Outcome == "applied" {
			in.Invited = o.Decision.Change.Subject.ID
			return s.opt.Engine.SignIn(ctx, in)
		}
		return store.SessionRow{}, &sync.SignInError{Rule: o.Decision.Rule, Reason: lowered(o.Decision.Reason), Remedy: lowered(o.Decision.Remedy), Run: res.Run}
	}
	return store.SessionRow{}, &sync.SignInError{Rule: "R18", Reason: "the invitation could not be accepted", Remedy: "ask for another one", Run: res.Run}
}

// jwks gives the client's public keys to a provider that reads them here
// (`jwks_uri`, RFC 7591 section 2).
func (s *SignIn) jwks(w http.ResponseWriter, r *http.Request) {
	c := s.connection(w, r, func(c *SignInConnection) bool { return c.Keys != nil })
	if c == nil {
		return
	}
	keys, err := c.Keys()
	if err != nil {
		s.broken(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	s.json(w, http.StatusOK, keys)
}

// unknown reports whether nobody was recognised.
func unknown(err error) bool {
	var refused *sync.SignInError
	return errors.As(err, &refused) && refused.NoMember
}

// lowered makes part of a sentence of a sentence.
func lowered(text string) string {
	text = strings.TrimSuffix(text, ".")
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// shortened bounds what a client says of itself.
func shortened(text string) string { return text[:min(len(text), 256)] }
