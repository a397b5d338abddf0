package scim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	stdsync "sync"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// basePath is where the service provider is mounted (RFC 7644 section 1.3).
const basePath = "/scim/v2"

// The limits of GD04 on request bodies, in bytes.
const (
	maxUserBody  = 1 << 20
	maxGroupBody = 4 << 20
)

// Options are what a Handler needs.
type Options struct {
	Engine *sync.Engine
	Store  *store.Store
	// Logger takes failures (and each request at level debug); nil drops them.
	// Bodies, tokens and filters never reach it (SX08).
	Logger *slog.Logger
	Now    func() time.Time
	// PublicURL is scheme and host, with a path if there is one before
	// /scim/v2, that clients see: every location begins with it.
	PublicURL string
	// TrustedProxies are the networks whose X-Forwarded-For is believed, read
	// from the right.
	TrustedProxies []netip.Prefix
	// UserBody and GroupBody limit request bodies in bytes (GD04); zero is
	// 1 MiB and 4 MiB.
	UserBody, GroupBody int64
	// Terms gives what the configuration says of a connection; nil is the zero
	// Terms for all.
	Terms func(workspace, connection string) Terms
	// EventURIs are the SCIM events that are really sent, for
	// ServiceProviderConfig (RFC 9967 section 3); nil when there are none.
	EventURIs []string
	// Issued judges access tokens of other authorization servers (JWTs): it
	// gives the one connection that a token lets its client in at, and the
	// client's name. The error is sync.ErrProvider if that cannot be told now;
	// any other says that the token is not good. Nil lets none in.
	Issued func(ctx context.Context, token string) (workspaceID, connection, subject string, err error)
}

// Terms are what the configuration says of a connection.
type Terms struct {
	// Rate is how many requests a second it may send, in each of two buckets of
	// two seconds; what is less than 1 is 50.
	Rate int
	// Shared is how many requests a second all connections of the workspace may
	// send beyond 25 of each; less than 1 is 200, or twice Rate if that is more.
	Shared int
	// Networks are where its tokens may be used from; none is anywhere.
	Networks []netip.Prefix
	// Keep is how long its requests are remembered, zero for not at all, and
	// Most how many of them.
	Keep time.Duration
	Most int
}

// Handler is the SCIM service provider under /scim/v2 (RFC 7644). It is safe
// for concurrent use. Close stops what it does in the background.
type Handler struct {
	engine    *sync.Engine
	store     *store.Store
	log       *slog.Logger
	now       func() time.Time
	base      string // absolute URL with /scim/v2, no slash at the end
	proxies   []netip.Prefix
	userBody  int64
	groupBody int64
	terms     func(workspace, connection string) Terms
	eventURIs []string

	failed *admission.Buckets // Wrong tokens by address.
	open   *admission.Buckets // Discovery without a token by address.
	issued *admission.Buckets // Access tokens by client.

	issuedTokens func(ctx context.Context, token string) (workspaceID, connection, subject string, err error)
	uses         *admission.LastUses
	timeline     *timeline
	tokens       *admission.Tokens
	turns        turns
	general      *discovery

	mu    stdsync.RWMutex
	links map[linkKey]*link // guarded by mu
	// ceilings are those of workspaces, by id.
	ceilings map[string]*ceiling // guarded by mu
}

// NewHandler checks the options and builds the handler. It fails with all
// problems at once.
func NewHandler(opt Options) (*Handler, error) {
	var problems []error
	if opt.Engine == nil {
		problems = append(problems, errors.New("scim: Options.Engine is missing"))
	}
	if opt.Store == nil {
		problems = append(problems, errors.New("scim: Options.Store is missing"))
	}
	public, err := url.Parse(opt.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" || public.RawQuery != "" || public.Fragment != "" {
		problems = append(problems, fmt.Errorf("scim: Options.PublicURL %q is no absolute http or https URL", opt.PublicURL))
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
	h := &Handler{
		engine: opt.Engine, store: opt.Store, log: opt.Logger, now: opt.Now, proxies: opt.TrustedProxies,
		base:     strings.TrimSuffix(strings.TrimRight(opt.PublicURL, "/"), basePath) + basePath,
		userBody: orDefault(opt.UserBody, maxUserBody), groupBody: orDefault(opt.GroupBody, maxGroupBody),
		issuedTokens: opt.Issued,
		links:        map[linkKey]*link{}, ceilings: map[string]*ceiling{}, eventURIs: opt.EventURIs, tokens: admission.NewTokens(opt.Store, opt.Logger),
		failed: admission.NewBuckets(failedPerMinute/60.0, failedPerMinute), open: admission.NewBuckets(openRate, openBurst),
		issued: admission.NewBuckets(issuedPerMinute/60.0, issuedPerMinute),
	}
	if h.terms = opt.Terms; h.terms == nil {
		h.terms = func(string, string) Terms { return Terms{} }
	}
	types := []*ResourceType{NewUserType(nil), NewGroupType(nil), NewNumberType(), NewRoleType(URNRollcallRole)}
	if h.general, err = newDiscovery(h.base, types, h.capabilities()); err != nil {
		return nil, err
	}
	h.uses = admission.NewLastUses(opt.Store, opt.Logger)
	h.timeline = newTimeline(opt.Store, opt.Logger)
	return h, nil
}

// capabilities are those of this release with this handler's limits.
func (h *Handler) capabilities() Capabilities {
	c := DefaultCapabilities()
	c.EventURIs = h.eventURIs
	c.BulkPayload = int(h.groupBody)
	return c
}

// orDefault is n unless it says nothing.
func orDefault(n, other int64) int64 {
	if n > 0 {
		return n
	}
	return other
}

// Close writes what is pending about requests and the use of tokens and stops
// the background work. No request may come after it.
func (h *Handler) Close(ctx context.Context) error {
	return errors.Join(h.timeline.close(ctx), h.uses.Close(ctx))
}

// exchange is one request on its way to its answer. It belongs to one
// goroutine.
type exchange struct {
	h     *Handler
	w     http.ResponseWriter
	r     *http.Request
	txn   string
	start time.Time
	ip    string
	token string // id of the token, "" for discovery without one
	// scopes are the token's; none means all.
	scopes []string
	link   *link // nil for discovery without a token
	route  route
	// query is what was asked for behind the ?; malformed pairs are dropped.
	query url.Values
	// begun says that the answer's head has gone out: an error can only break
	// the connection from here on.
	begun bool
	// unread says that the body was too large and waits on the connection.
	unread bool
	// kept is the body if it was read before its turn.
	kept   []byte
	status int
	run    string
	// What the record of requests shows: the body as it was sent, what was
	// tolerated, the engine's verdict, and the text of an error.
	sent            []byte
	notes           Notes
	verdict, detail string
}

// ServeHTTP answers one request in the order of scim section 4.1. Whatever
// happens, the answer is a SCIM body with a request id.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: w, r: r, txn: uuid.Must(uuid.NewV7()).String(), start: h.now()}
	head := w.Header()
	head["X-Request-Id"] = []string{x.txn}
	head["Cache-Control"] = noStore
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			x.fail(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		x.logged()
		x.recorded()
		if x.unread {
			x.discard()
		}
	}()
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

var noStore = []string{"no-store"}

// serve authenticates, routes and runs a request.
func (x *exchange) serve() error {
	x.query = parseQuery(x.r.URL.RawQuery)
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.acceptable(); err != nil {
		return err
	}
	var err error
	if x.route, err = x.findRoute(); err != nil {
		return err
	}
	if x.link != nil {
		if err := x.withinRate(); err != nil {
			return err
		}
	}
	return x.dispatch()
}

// parseQuery reads the query; the common empty one costs nothing.
func parseQuery(raw string) url.Values {
	if raw == "" {
		return nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		// What could be read counts; what could not names nothing we know.
		return values
	}
	return values
}

// logged writes the line of a request: failures always, the rest for those who
// look closely. Path and query are left out, since filters name people (SX08).
func (x *exchange) logged() {
	level := slog.LevelDebug
	if x.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	ctx := x.r.Context()
	if !x.h.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", x.r.Method), slog.String("endpoint", x.route.endpoint.String()), slog.Int("status", x.status),
		slog.Duration("took", x.h.now().Sub(x.start)), slog.String("txn", x.txn),
	}
	if x.link != nil {
		attrs = append(attrs, slog.String("workspace", x.link.workspace), slog.String("connection", x.link.connection), slog.String("token", x.token))
	}
	if x.run != "" {
		attrs = append(attrs, slog.String("run_id", x.run))
	}
	x.h.log.LogAttrs(ctx, level, "scim request", attrs...)
}

// apply gives a batch of one request to the engine.
func (x *exchange) apply(b sync.Batch) (sync.Result, error) {
	b.Workspace, b.Connection = x.link.workspace, x.link.connection
	b.Kind, b.Trigger, b.Channel = sync.RunSCIM, "request", workspace.ChannelSCIM
	b.Txn, b.TokenID, b.IP, b.UserAgent = x.txn, x.token, x.ip, clip(x.r.UserAgent(), maxUserAgent)
	b.SeenAt = x.h.now()
	b.Notices = x.notes.notices()
	res, err := x.h.engine.Apply(x.r.Context(), b)
	x.run = res.Run
	if err != nil {
		return res, err
	}
	x.judged(&res)
	if res.Refusal != nil {
		return res, refused(res.Refusal)
	}
	return res, nil
}

// maxUserAgent bounds what a report keeps of the client's name, in bytes.
const maxUserAgent = 256

// clip makes text of a client fit to be kept: n bytes of it, without what no
// store takes, which is NUL and what is not UTF-8.
func clip(text string, n int) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), n)], "\x00", ""), "")
}
