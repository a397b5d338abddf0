package api

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

// screen is a small page for people, and the same in JSON for programs.
type screen struct {
	Title  string `json:"title"`
	Text   string `json:"text,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Links  []link `json:"links,omitempty"`
	// Member and Code are those of a sign-in that succeeded; the code is for
	// programs, once.
	Member string `json:"member,omitempty"`
	Code   string `json:"code,omitempty"`
	// Join is what somebody may join who is no member yet.
	Join *offered `json:"join,omitempty"`
}

type link struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// layout has no script, and the style of the pages beside it.
var layout = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.Title}} - Rollcall</title><link rel="stylesheet" href="/join/style.css"></head>
<body>
<main>
<h1>{{.Title}}</h1>
{{with .Text}}<p>{{.}}</p>{{end}}
{{with .Remedy}}<p>{{.}}</p>{{end}}
{{with .Links}}<ul>{{range .}}<li><a href="{{.To}}">{{.Text}}</a></li>{{end}}</ul>{{end}}
{{if .Member}}<form method="post" action="/session/end"><button>Sign out</button></form>{{end}}
</main>
</body>
</html>
`))

// wantsJSON reports whether a client asks for JSON rather than for a page.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

// show answers with a page, or with JSON.
func (s *SignIn) show(w http.ResponseWriter, r *http.Request, status int, p screen) {
	if wantsJSON(r) {
		s.json(w, status, p)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := layout.Execute(w, p); err != nil {
		s.log.Debug("a page could not be written", "err", err)
	}
}

func (s *SignIn) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("an answer could not be written", "err", err)
	}
}

// away sorts an error of a sign-in into what a person is told.
func (s *SignIn) away(w http.ResponseWriter, r *http.Request, c *SignInConnection, err error) {
	var refused *sync.SignInError
	switch {
	case errors.As(err, &refused):
		s.refused(w, r, c, refused)
	case errors.Is(err, sync.ErrProvider):
		s.log.Warn("a sign-in could not be judged, nothing is changed", "workspace", c.Workspace, "connection", c.ID, "err", err)
		w.Header().Set("Retry-After", "30")
		s.show(w, r, http.StatusServiceUnavailable, screen{Title: "Not now", Text: "The identity provider cannot be asked now. Nothing was changed.", Remedy: "Try again in a while."})
	default:
		s.broken(w, r, err)
	}
}

// refused tells why somebody is not signed in. Only who has proved an account
// hears of it.
func (s *SignIn) refused(w http.ResponseWriter, r *http.Request, c *SignInConnection, e *sync.SignInError) {
	s.log.Info("sign-in refused", "workspace", c.Workspace, "connection", c.ID, "rule", e.Rule, "run_id", e.Run)
	title := "Not signed in"
	if e.Rule == "OS2" || e.Rule == "DC7" || e.Rule == "DC9" || e.Rule == "DOM-CLAIM" {
		title = "No account"
	}
	s.show(w, r, http.StatusForbidden, screen{Title: title, Text: spoken(e.Reason), Remedy: spoken(e.Remedy), Rule: e.Rule, Links: []link{{"/signin/" + c.ID, "Sign in again"}}})
}

// spoken makes a sentence.
func spoken(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// broken answers an error of ours.
func (s *SignIn) broken(w http.ResponseWriter, r *http.Request, err error) {
	p := toProblem(err)
	if p.Status < http.StatusInternalServerError {
		p = errBusy()
	}
	s.log.Error("a sign-in failed", "request_id", w.Header().Get("X-Request-Id"), "err", err)
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	s.show(w, r, p.Status, screen{Title: "Not now", Text: "Something went wrong here. Nothing was changed.", Remedy: "Try again in a while. Request " + w.Header().Get("X-Request-Id") + "."})
}

// signedIn answers a sign-in that succeeded: back to where it came from with a
// one-time code, or a page.
func (s *SignIn) signedIn(w http.ResponseWriter, r *http.Request, c *SignInConnection, a *attempt, row *store.SessionRow, code string) {
	if a.Return == "" {
		s.show(w, r, http.StatusOK, screen{Title: "Signed in", Text: "You are signed in.", Member: row.Member, Code: onlyFor(r, code)})
		return
	}
	to, err := url.Parse(a.Return)
	if err != nil || !c.returnsTo(a.Return) { // the list may have changed meanwhile
		s.show(w, r, http.StatusBadRequest, screen{Title: "Wrong address", Text: "The sign-in may not return to that address."})
		return
	}
	query := to.Query()
	query.Set("code", code)
	if a.State != "" {
		query.Set("state", a.State)
	}
	to.RawQuery = query.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// onlyFor gives the code to programs: a page would only show it.
func onlyFor(r *http.Request, code string) string {
	if wantsJSON(r) {
		return code
	}
	return ""
}
