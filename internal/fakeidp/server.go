package fakeidp

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is something that a fake does wrong, or right but unexpectedly.
type Fault string

// The faults. Which API knows which stands beside its handler.
const (
	EmptyPages     Fault = "empty pages with a next link"
	Repeats        Fault = "records come again"
	Sparse         Fault = "changed records state what changed alone"
	Split          Fault = "changed records come in two parts"
	Stale          Fault = "records come with an older mention of the same"
	Expired410     Fault = "expired cursor: 410 with a Location"
	Expired400     Fault = "expired cursor: 400 with a code"
	Throttle       Fault = "429 with Retry-After in seconds"
	ThrottleDate   Fault = "429 with Retry-After as a date"
	ThrottleReset  Fault = "429 with X-Rate-Limit-Reset"
	Quota          Fault = "403 that means too many requests"
	DataMissing    Fault = "200 with data missing"
	FlagMissing    Fault = "people without the flag that says who is disabled"
	ForeignNext    Fault = "next link to another host"
	ForeignDelta   Fault = "delta link to another host"
	Circle         Fault = "next link to the same page"
	MissingScope   Fault = "empty lists for want of a scope"
	Forbidden      Fault = "403 for want of a right"
	ServerError    Fault = "500"
	LostAnswer     Fault = "the connection ends within the answer"
	Redirect       Fault = "a redirect to another host"
	Unauthorized   Fault = "401 for a good token"
	InvalidClient  Fault = "invalid_client at the token endpoint"
	TokenTrouble   Fault = "503 at the token endpoint"
	TokenThrottled Fault = "429 at the token endpoint"
	NoDate         Fault = "answers without a Date"
	GroupsHidden   Fault = "403 for groups alone"
	LogsHidden     Fault = "403 for the log alone"
	Garbage        Fault = "200 with a body that is no JSON"
)

// Server is a fake on loopback.
type Server struct {
	*Directory
	*httptest.Server
	Tokens *Tokens
	// PageSize bounds pages below what a client asks for; 0 is the API's own.
	PageSize int

	mu       sync.Mutex
	faults   map[Fault]int
	requests []string
	onPage   func(path string)
}

// start runs a fake.
func start(d *Directory, t *Tokens, routes func(s *Server, mux *http.ServeMux)) *Server {
	s := &Server{Directory: d, Tokens: t, faults: map[Fault]int{}}
	mux := http.NewServeMux()
	routes(s, mux)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
		if s.fault(NoDate) {
			w.Header()["Date"] = nil
		}
		mux.ServeHTTP(w, r)
	}))
	return s
}

// Break switches a fault on: for so many answers, or for ever if times < 0.
func (s *Server) Break(f Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[f] = times
}

// Mend switches all faults off.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// OnPage calls back before each answer of the API: directories change while
// they are read.
func (s *Server) OnPage(fn func(path string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onPage = fn
}

// fault tells whether a fault strikes now.
func (s *Server) fault(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.faults[f]
	if n > 0 {
		s.faults[f] = n - 1
	}
	return n != 0
}

// Requests gives what was asked since the last call, `METHOD path?query`.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// elsewhere is a host that no link may lead to.
const elsewhere = "https://thief.example"

// api wraps the handlers of an API: tokens, and the faults that all share.
func (s *Server) api(fn http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.fault(Unauthorized) || !s.Tokens.authorized(w, r, s.Now()) {
			if w.Header().Get("WWW-Authenticate") == "" {
				w.Header().Set("WWW-Authenticate", "Bearer error=\"invalid_token\"")
			}
			reply(w, http.StatusUnauthorized, object{"error": object{"code": "InvalidAuthenticationToken"}})
			return
		}
		s.mu.Lock()
		turn := s.onPage
		s.mu.Unlock()
		if turn != nil {
			turn(r.URL.Path)
		}
		now := s.Now()
		switch {
		case s.fault(Throttle):
			w.Header().Set("Retry-After", "1.5")
			reply(w, http.StatusTooManyRequests, object{"error": object{"code": "TooManyRequests"}})
		case s.fault(ThrottleDate):
			w.Header().Set("Retry-After", now.Add(2*time.Minute).UTC().Format(http.TimeFormat))
			reply(w, http.StatusTooManyRequests, object{"error": object{"code": "TooManyRequests"}})
		case s.fault(ThrottleReset):
			w.Header().Set("X-Rate-Limit-Limit", "600")
			w.Header().Set("X-Rate-Limit-Remaining", "0")
			w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(now.Add(90*time.Second).Unix(), 10))
			reply(w, http.StatusTooManyRequests, object{"errorCode": "E0000047"})
		case s.fault(ServerError):
			reply(w, http.StatusInternalServerError, object{"error": object{"code": "InternalServerError"}})
		case s.fault(Redirect):
			http.Redirect(w, r, elsewhere, http.StatusFound)
		case s.fault(Garbage):
			if _, err := w.Write([]byte("<html>")); err != nil {
				return
			}
		case s.fault(LostAnswer):
			cut(w)
		default:
			fn(w, r)
		}
	}
}

// cut ends the connection within an answer.
func cut(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "4096")
	w.WriteHeader(http.StatusOK)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}

type object map[string]any

// reply writes JSON.
func reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(text); err != nil {
		return // the client has gone
	}
}

// size is the size of a page.
func (s *Server) size(asked string, most int) int {
	n := most
	if k, err := strconv.Atoi(asked); err == nil && k > 0 {
		n = min(k, most)
	}
	if s.PageSize > 0 {
		n = min(n, s.PageSize)
	}
	return n
}

// mark makes a word that nobody guesses.
func mark() string { return strings.ToLower(rand.Text()) }

// orNull is nil for an empty text.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
