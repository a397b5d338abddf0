package api

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	stdsync "sync"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/sync"
)

//go:embed pages/join.html pages/style.css
var pages embed.FS

var joinPage = template.Must(template.ParseFS(pages, "pages/join.html"))

// Mailer takes a letter of plain text to one address.
type Mailer interface {
	Send(ctx context.Context, to, subject, text string) error
}

// JoinOptions are what Join needs.
type JoinOptions struct {
	Engine *sync.Engine
	// Mailer takes the codes; nil: nobody can prove a mailbox, and the pages
	// say so.
	Mailer Mailer
	// Logger takes failures, without addresses; nil drops them.
	Logger *slog.Logger
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Secure: people reach the pages by https, so cookies never travel
	// otherwise.
	Secure bool
}

// Join serves the pages under /join: an address is typed, a code comes back
// from its mailbox, and only then is anything told of a workspace (OS3, DC7).
// They need no script. It is safe for concurrent use; Close waits for letters
// under way.
type Join struct {
	opt     JoinOptions
	log     *slog.Logger
	style   []byte
	mux     http.Handler
	letters chan struct{}
	wg      stdsync.WaitGroup
	// posting ends when the letters under way are given up.
	posting context.Context
	giveUp  context.CancelFunc
}

// The limits of the pages.
const (
	joinBody    = 8 << 10
	joinLetters = 32 // under way at once
	letterTime  = time.Minute
	letterGrace = 5 * time.Second
)

// NewJoin checks the options.
func NewJoin(opt JoinOptions) (*Join, error) {
	if opt.Engine == nil {
		return nil, errors.New("api: JoinOptions.Engine is missing")
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	j := &Join{opt: opt, log: opt.Logger, letters: make(chan struct{}, joinLetters)}
	j.posting, j.giveUp = context.WithCancel(context.Background())
	var err error
	if j.style, err = pages.ReadFile("pages/style.css"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /join", j.askAddress)
	mux.HandleFunc("POST /join", j.sendCode)
	mux.HandleFunc("GET /join/code", j.askCode)
	mux.HandleFunc("POST /join/code", j.checkCode)
	mux.HandleFunc("GET /join/confirm", j.confirm)
	mux.HandleFunc("POST /join/confirm", j.enter)
	mux.HandleFunc("GET /join/style.css", j.styles)
	// A form on another site must not join anybody to anything.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.show(w, r, http.StatusForbidden, view{Step: "done", Title: "This did not come from our page", Text: "Open /join and try again."})
	}))
	j.mux = guard.Handler(mux)
	return j, nil
}

// Close waits a few seconds for the letters under way, and gives up the rest:
// who waits for one asks for another.
func (j *Join) Close() {
	defer time.AfterFunc(letterGrace, j.giveUp).Stop()
	j.wg.Wait()
	j.giveUp()
}

// contentPolicy lets the pages load their style and send their forms, and
// nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP answers one request.
func (j *Join) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", contentPolicy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, joinBody)
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	j.mux.ServeHTTP(w, r.WithContext(ctx))
}

// view is what a page shows.
type view struct {
	Step, Title, Fault string
	Email, Workspace   string
	Price              string
	Waits              string // why a person decides, "" if nobody has to
	Text, Remedy       string
	Action             string // where the button of step confirm leads to
	Name               string // of the person, "" if they are asked for it
	SignsIn            bool   // the button signs in too
}

func (j *Join) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	showPage(w, r, j.log, status, v)
}

// showPage answers with a page.
func showPage(w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, v view) {
	var b strings.Builder
	if err := joinPage.ExecuteTemplate(&b, "page", v); err != nil {
		log.ErrorContext(r.Context(), "a page could not be made", "step", v.Step, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write([]byte(b.String())); err != nil {
		log.DebugContext(r.Context(), "the answer was not taken", "err", err)
	}
}

func (j *Join) styles(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if _, err := w.Write(j.style); err != nil {
		j.log.DebugContext(r.Context(), "the answer was not taken", "err", err)
	}
}

// Titles of the pages.
const (
	titleAddress = "Join your company's workspace"
	titleCode    = "Enter the code"
	titleConfirm = "Join existing workspace"
)

func (j *Join) askAddress(w http.ResponseWriter, r *http.Request) {
	if j.opt.Mailer == nil {
		j.show(w, r, http.StatusNotFound, view{
			Step: "done", Title: titleAddress, Text: "Nobody can join with a code here: no mail server is configured.",
			Remedy: "Sign in with your company account, or ask an Owner or Admin for an invitation.",
		})
		return
	}
	j.show(w, r, http.StatusOK, view{Step: "address", Title: titleAddress})
}

// sendCode mails a code, and answers the same whoever asks for whatever
// address: the letter goes out behind the answer.
func (j *Join) sendCode(w http.ResponseWriter, r *http.Request) {
	if j.opt.Mailer == nil {
		j.askAddress(w, r)
		return
	}
	address := strings.TrimSpace(r.PostFormValue("email"))
	browser := rand.Text() + rand.Text()
	letter, err := j.opt.Engine.AskCode(r.Context(), browser, address, admission.ClientIP(j.opt.TrustedProxies, r))
	var bad *sync.EditError
	switch {
	case errors.As(err, &bad):
		j.show(w, r, http.StatusUnprocessableEntity, view{Step: "address", Title: titleAddress, Email: address, Fault: sentence(bad.Reason) + " " + sentence(bad.Remedy)})
		return
	case errors.Is(err, sync.ErrTooManyCodes):
		w.Header().Set("Retry-After", "3600")
		j.show(w, r, http.StatusTooManyRequests, view{Step: "address", Title: titleAddress, Fault: "Too many codes were asked for from your network. Try again in an hour."})
		return
	case err != nil:
		j.trouble(w, r, err)
		return
	}
	if letter != nil {
		j.post(letter)
	}
	http.SetCookie(w, j.cookie(browser))
	http.Redirect(w, r, "/join/code", http.StatusSeeOther)
}

// post sends a letter behind the answer, so that how long it takes tells
// nothing.
func (j *Join) post(letter *sync.CodeMail) {
	select {
	case j.letters <- struct{}{}:
	default:
		j.log.Error("a code was not mailed: too many letters are under way")
		return
	}
	j.wg.Go(func() {
		defer func() { <-j.letters }()
		ctx, cancel := context.WithTimeout(j.posting, letterTime)
		defer cancel()
		err := j.opt.Mailer.Send(ctx, letter.To, "Your code: "+letter.Code, fmt.Sprintf(
			"%s is your code to join a workspace.\n\nIt is good for %d minutes, in the browser where you asked for it.\nIf you did not ask for it, ignore this letter: nothing happens.\n",
			letter.Code, int(letter.Good.Minutes())))
		if err != nil {
			j.log.Error("a code was not mailed", "err", err)
		}
	})
}

func (j *Join) askCode(w http.ResponseWriter, r *http.Request) {
	if j.browser(r) == "" {
		http.Redirect(w, r, "/join", http.StatusSeeOther)
		return
	}
	j.show(w, r, http.StatusOK, view{Step: "code", Title: titleCode})
}

func (j *Join) checkCode(w http.ResponseWriter, r *http.Request) {
	err := j.opt.Engine.CheckCode(r.Context(), j.browser(r), r.PostFormValue("code"))
	switch {
	case errors.Is(err, sync.ErrCode):
		j.show(w, r, http.StatusUnprocessableEntity, view{
			Step: "code", Title: titleCode, Fault: "This code is not right, or not good any more. After five wrong tries or ten minutes, ask for another one.",
		})
	case err != nil:
		j.trouble(w, r, err)
	default:
		http.Redirect(w, r, "/join/confirm", http.StatusSeeOther)
	}
}

// confirm shows what joining means, to somebody whose mailbox is proved.
func (j *Join) confirm(w http.ResponseWriter, r *http.Request) { j.offer(w, r, http.StatusOK, "") }

func (j *Join) offer(w http.ResponseWriter, r *http.Request, status int, fault string) {
	a, err := j.opt.Engine.Applicant(r.Context(), j.browser(r))
	switch {
	case errors.Is(err, sync.ErrCode):
		http.Redirect(w, r, "/join", http.StatusSeeOther)
	case err != nil:
		j.trouble(w, r, err)
	case a.Would.State == sync.JoinDone || a.Would.State == sync.JoinWaits:
		v := view{Step: "confirm", Title: titleConfirm, Fault: fault, Action: "/join/confirm", Email: a.Email, Workspace: a.Name, Price: price(a.Would.Price)}
		if a.Would.State == sync.JoinWaits {
			v.Waits = a.Would.Reason
		}
		j.show(w, r, status, v)
	default:
		j.show(w, r, http.StatusOK, ended(a.Name, &a.Would))
	}
}

// enter joins.
func (j *Join) enter(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSpace(r.PostFormValue("name"))
	if name == "" {
		j.offer(w, r, http.StatusUnprocessableEntity, "Your name is missing.")
		return
	}
	a, err := j.opt.Engine.Applicant(r.Context(), j.browser(r))
	if errors.Is(err, sync.ErrCode) {
		http.Redirect(w, r, "/join", http.StatusSeeOther)
		return
	}
	if err != nil {
		j.trouble(w, r, err)
		return
	}
	out, err := j.opt.Engine.JoinByCode(r.Context(), j.browser(r), name, uuid.Must(uuid.NewV7()).String(), admission.ClientIP(j.opt.TrustedProxies, r), userAgentOf(r))
	var bad *sync.EditError
	switch {
	case errors.Is(err, sync.ErrCode):
		http.Redirect(w, r, "/join", http.StatusSeeOther)
	case errors.As(err, &bad):
		j.offer(w, r, http.StatusUnprocessableEntity, sentence(bad.Reason)+" "+sentence(bad.Remedy))
	case err != nil:
		j.trouble(w, r, err)
	default:
		gone := j.cookie("")
		gone.MaxAge = -1
		http.SetCookie(w, gone)
		j.show(w, r, http.StatusOK, ended(a.Name, &out))
	}
}

// ended tells how it ended.
func ended(workspace string, out *sync.Joined) view {
	v := view{Step: "done", Title: titleConfirm, Text: sentence(out.Reason), Remedy: out.Remedy}
	switch out.State {
	case sync.JoinDone:
		v.Title, v.Text, v.Remedy = "You are a member of "+workspace, "Open the phone app and sign in with this address.", ""
	case sync.JoinWaits:
		v.Title, v.Remedy = "Your wish to join "+workspace+" waits", "You will be able to sign in once an Owner or Admin has agreed."
	case sync.JoinAlready:
		v.Title = "You are a member of " + workspace + " already"
	default:
		v.Title = "You cannot join " + workspace + " this way"
	}
	return v
}

// price writes what a seat costs.
func price(p sync.Price) string {
	return fmt.Sprintf("$%d.%02d a month ($%d.%02d for the rest of this period)", p.Monthly/100, p.Monthly%100, p.Charge/100, p.Charge%100)
}

// sentence makes a sentence of an error's words.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// trouble answers for what is nobody's fault outside.
func (j *Join) trouble(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	id := uuid.Must(uuid.NewV7()).String()
	j.log.ErrorContext(r.Context(), "joining failed", "request_id", id, "err", err)
	w.Header().Set("Retry-After", "30")
	j.show(w, r, http.StatusServiceUnavailable, view{Step: "done", Title: "Something went wrong", Text: "Nothing has changed. Try again in a minute; if it stays, tell us the number " + id + "."})
}

// cookieName: the prefix makes browsers refuse the cookie from other hosts and
// over plain HTTP.
func (j *Join) cookieName() string {
	if j.opt.Secure {
		return "__Host-rollcall-join"
	}
	return "rollcall-join"
}

func (j *Join) cookie(secret string) *http.Cookie {
	return &http.Cookie{Name: j.cookieName(), Value: secret, Path: "/", Secure: j.opt.Secure, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: 1800}
}

// browser is the secret of the browser, "" if it has none.
func (j *Join) browser(r *http.Request) string {
	c, err := r.Cookie(j.cookieName())
	if err != nil || len(c.Value) > 100 {
		return ""
	}
	return c.Value
}
