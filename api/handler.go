package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

// The limits of reliability section 8.
const (
	defaultBody    = 1 << 20
	requestTimeout = 30 * time.Second
	defaultEngine  = 64 // requests in the engine at once
)

// Options are what a Handler needs.
type Options struct {
	Engine *sync.Engine
	Store  *store.Store
	// Logger takes failures (and each request at level debug); nil drops them.
	// Bodies, tokens, queries and keys never reach it.
	Logger *slog.Logger
	Now    func() time.Time
	// Version is the binary's version, for the OpenAPI document.
	Version string
	// Connections are the connections of kind api, by workspace: only their
	// tokens are taken.
	Connections map[string][]string
	// TrustedProxies are the networks whose X-Forwarded-For is believed, read
	// from the right.
	TrustedProxies []netip.Prefix
	// Feed serves the routes of package events, which ask Authorize who calls;
	// nil leaves them out, of the document too.
	Feed http.Handler
	// Body limits request bodies in bytes; zero is 1 MiB.
	Body int64
	// Rate is how many requests a token may make a second; zero is 50, and
	// twice as many at once.
	Rate float64
}

// Handler is the JSON API under /v1. It is safe for concurrent use. Close it
// after the last request.
type Handler struct {
	engine      *sync.Engine
	store       *store.Store
	log         *slog.Logger
	now         func() time.Time
	connections map[string]map[string]bool
	proxies     []netip.Prefix
	feed        http.Handler
	body        int64

	routes   *router
	document []byte // OpenAPI
	etag     string // of the document
	rates    *admission.Buckets
	failures *admission.Buckets
	busy     chan struct{}
	tokens   *admission.Tokens
	uses     *admission.LastUses
	cursors  cursorKeys
}

// NewHandler checks the options and builds the handler. It fails with all
// problems at once.
func NewHandler(opt Options) (*Handler, error) {
	var problems []error
	if opt.Engine == nil {
		problems = append(problems, errors.New("api: Options.Engine is missing"))
	}
	if opt.Store == nil {
		problems = append(problems, errors.New("api: Options.Store is missing"))
	}
	if opt.Body < 0 || opt.Rate < 0 {
		problems = append(problems, errors.New("api: Options.Body and Options.Rate are not negative"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Body == 0 {
		opt.Body = defaultBody
	}
	if opt.Rate == 0 {
		opt.Rate = 50
	}
	h := &Handler{
		engine: opt.Engine, store: opt.Store, log: opt.Logger, now: opt.Now, proxies: opt.TrustedProxies, feed: opt.Feed, body: opt.Body,
		connections: map[string]map[string]bool{}, busy: make(chan struct{}, defaultEngine),
		rates: admission.NewBuckets(opt.Rate, 2*opt.Rate), failures: admission.NewBuckets(20.0/60, 20), tokens: admission.NewTokens(opt.Store, opt.Logger),
	}
	for workspace, ids := range opt.Connections {
		h.connections[workspace] = map[string]bool{}
		for _, id := range ids {
			h.connections[workspace][id] = true
		}
	}
	var table []route
	for _, r := range routes() {
		if !r.feed || opt.Feed != nil {
			table = append(table, r)
		}
	}
	h.routes = newRouter(table)
	var err error
	if h.document, err = openAPI(table, opt.Version); err != nil {
		return nil, fmt.Errorf("api: the OpenAPI document: %w", err)
	}
	h.etag = etagOf(h.document)
	h.uses = admission.NewLastUses(opt.Store, opt.Logger)
	return h, nil
}

// Close writes what is pending about the use of tokens and stops the
// background work. No request may come after it.
func (h *Handler) Close(ctx context.Context) error { return h.uses.Close(ctx) }

// exchange is one request on its way to its answer. It belongs to one
// goroutine.
type exchange struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	txn    string
	start  time.Time
	ip     string
	caller caller
	route  *route
	path   map[string]string
	query  url.Values
	raw    []byte // the body as sent
	made   []byte // the answer to a write, as it is kept
	status int
	run    string
}

// reply is an answer that is no problem. Its exported fields are what is kept
// of it for a repeated request.
type reply struct {
	Status int             `json:"status"`
	Header [][2]string     `json:"header,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
	Type   string          `json:"type,omitempty"` // "" is application/json

	replayed bool
}

// ServeHTTP answers one request. Whatever happens, the answer has a request id
// and, if it is an error, is a problem (RFC 9457).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: w, r: r, txn: uuid.Must(uuid.NewV7()).String(), start: h.now(), ip: admission.ClientIP(h.proxies, r)}
	head := w.Header()
	head.Set("X-Request-Id", x.txn)
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			x.fail(fmt.Errorf("panic: %v", p))
		}
		x.logged()
	}()
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

// serve routes, authenticates and runs a request. Routing comes first because
// the document and the public keys need no token; it tells no more than the
// document does.
func (x *exchange) serve() error {
	var err error
	if x.route, x.path, err = x.h.routes.find(x.r); err != nil {
		return err
	}
	if x.route.feed {
		// What is fetched by the clients of a standard (keys, tokens by poll)
		// takes what they add to the address.
		if x.route.scope != "" {
			if err := x.readQuery(); err != nil {
				return err
			}
		}
		// The feed asks Authorize itself and waits for as long as it likes.
		x.status = http.StatusOK
		x.h.feed.ServeHTTP(x.w, x.r)
		return nil
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), requestTimeout)
	defer cancel()
	x.r = x.r.WithContext(ctx)
	if x.route.scope != "" {
		if err := x.authenticate(); err != nil {
			return err
		}
		if err := x.caller.allows(x.route.scope); err != nil {
			return err
		}
	}
	if err := x.read(); err != nil {
		return err
	}
	if !x.cuts() {
		select {
		case x.h.busy <- struct{}{}:
			defer func() { <-x.h.busy }()
		case <-ctx.Done():
			return errBusy()
		}
	}
	answer, err := x.route.run(x)
	if err != nil {
		return err
	}
	return x.write(answer)
}

// cuts reports whether the request ends access: it is of the leaver lane
// (PR3). A dry run ends nothing.
func (x *exchange) cuts() bool {
	return x.route != nil && x.route.cut && x.r.URL.Query().Get("dry_run") != "true"
}

// logged writes the line of a request: failures always, the rest for those
// who look closely. Path values and query are left out.
func (x *exchange) logged() {
	level := slog.LevelDebug
	if x.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	ctx := x.r.Context()
	if !x.h.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("method", x.r.Method), slog.Int("status", x.status), slog.Duration("took", x.h.now().Sub(x.start)), slog.String("txn", x.txn)}
	if x.route != nil {
		attrs = append(attrs, slog.String("operation", x.route.id))
	}
	if x.caller.workspace != "" {
		attrs = append(attrs, slog.String("workspace", x.caller.workspace), slog.String("connection", x.caller.connection), slog.String("token", x.caller.token.ID))
	}
	if x.run != "" {
		attrs = append(attrs, slog.String("run_id", x.run))
	}
	x.h.log.LogAttrs(ctx, level, "api request", attrs...)
}
