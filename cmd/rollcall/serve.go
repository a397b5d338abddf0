package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/api"
	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/events"
	"github.com/rollcall-sync/rollcall/internal/systemd"
	"github.com/rollcall-sync/rollcall/scim"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

type serveCmd struct {
	configFlag
}

// Help is shown by --help.
func (serveCmd) Help() string {
	return `Logs JSON lines to stderr; the line {"msg":"ready",...} says that it serves, and where. SIGTERM and Ctrl-C drain
requests under way for limits.drain, a second signal ends at once. An older schema is migrated at the start.

Example:
  rollcall serve --config rollcall.yaml`
}

// Run serves until the context ends.
func (c *serveCmd) Run(ctx context.Context, env *environment) error {
	config, err := c.load()
	if err != nil {
		return err
	}
	log := newLogger(env.err, config.LogLevel)
	for _, w := range config.Warnings() {
		log.Warn(w.Text, "key", w.Path)
	}
	collectLess()
	d, err := startDaemon(ctx, config, log)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

// collectLess lets garbage become twice what is in use before it is collected,
// instead of as much as is in use. A request leaves some 50 KiB of garbage, and
// the daemon uses 4 to 8 MiB: half of the collector's work is saved for about 4
// MiB more. The variable GOGC, where it is set, is obeyed.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// newLogger writes JSON lines in UTC.
func newLogger(out io.Writer, level string) *slog.Logger {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		least = slog.LevelInfo // the configuration has judged the word already
	}
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: least, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}}))
}

// seams are what tests put into a daemon of theirs; the program leaves them as
// they are.
var seams struct {
	// trace is told each statement of the daemon's units: tests end the process
	// behind any of them.
	trace func(text string, rows int64)
	// lease is how long a claimed event belongs to a process; zero is the
	// dispatcher's own.
	lease time.Duration
}

// daemon is a running Rollcall: store, engine, both listeners. It is made by
// startDaemon and ended by run.
type daemon struct {
	config  *configs.Config
	log     *slog.Logger
	release func() error // of the lock file
	store   *store.Store
	engine  *sync.Engine
	handler *scim.Handler
	issued  *oidc.AccessTokens // nil until startDaemon is through
	product *api.Handler
	events  *events.Dispatcher
	join    *api.Join   // nil until startDaemon is through
	signIn  *api.SignIn // nil until startDaemon is through
	// providers are the connections of kind oidc.
	providers []*identityProvider
	polls     *sync.Scheduler // and timers; nil until startDaemon is through
	sources   []*directory
	public    *listener
	admin     *listener // nil if none is configured
	url       string    // of the public listener, without path
}

// listener is a server on its socket.
type listener struct {
	server *http.Server
	socket net.Listener
	tls    bool
}

// startDaemon opens everything; on an error it closes what it has opened. The
// sockets listen, but nobody accepts before run.
func startDaemon(ctx context.Context, config *configs.Config, log *slog.Logger) (d *daemon, err error) {
	d = &daemon{config: config, log: log, release: func() error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	url, err := config.DatabaseURL()
	if err != nil {
		return d, err
	}
	if d.release, err = store.LockExclusive(url); err != nil {
		d.release = func() error { return nil }
		return d, err
	}
	if d.store, err = store.Open(ctx, store.Options{URL: url, Logger: log, AutoMigrate: true, Trace: seams.trace}); err != nil {
		return d, err
	}
	meter := newMeter()
	if d.engine, err = newEngine(ctx, config, d.store, log, time.Now, meter.units.committed); err != nil {
		return d, err
	}
	if err := d.listen(ctx); err != nil {
		return d, err
	}
	proxies, err := trustedProxies(config)
	if err != nil {
		return d, err
	}
	terms, err := connectionTerms(config)
	if err != nil {
		return d, err
	}
	if d.issued, err = issuedTokens(config, d.url, log); err != nil {
		return d, err
	}
	d.handler, err = scim.NewHandler(scim.Options{
		Engine: d.engine, Store: d.store, Logger: log, PublicURL: d.url, TrustedProxies: proxies,
		UserBody: int64(config.Limits.UserBody), GroupBody: int64(config.Limits.GroupBody),
		Terms: terms, EventURIs: config.Events.SCIMEventURIs(), Issued: d.issued.Prove,
	})
	if err != nil {
		return d, err
	}
	if err := d.schedule(meter); err != nil {
		return d, err
	}
	if d.events, err = newDispatcher(ctx, d, meter); err != nil {
		return d, err
	}
	mux := http.NewServeMux()
	if d.product, err = newAPI(d, proxies); err != nil {
		return d, err
	}
	if d.providers, err = openProviders(config, d.engine.KnowEndpoints, log); err != nil {
		return d, err
	}
	if d.signIn, err = newSignIn(d, proxies); err != nil {
		return d, err
	}
	routeSignIn(mux, d.signIn)
	mux.Handle("/v1/", d.product)
	if d.join, err = newJoin(d, proxies); err != nil {
		return d, err
	}
	mux.Handle("/join", d.join)
	mux.Handle("/join/", d.join)
	mux.Handle("/scim/v2/", meter.count(d.handler))
	mux.Handle("/scim/v2", meter.count(d.handler))
	mux.Handle(scim.TokenPath, meter.count(d.handler.TokenEndpoint()))
	d.public.server.Handler = transportSecurity(mux, d.public.tls)
	if d.admin != nil {
		d.admin.server.Handler = adminHandler(&probe{store: d.store, url: url, name: config.Listen}, meter)
	}
	return d, nil
}

// connectionTerms gives what the configuration says of each SCIM connection.
func connectionTerms(config *configs.Config) (func(workspace, connection string) scim.Terms, error) {
	of := map[[2]string]scim.Terms{}
	for _, w := range config.Workspaces {
		for _, c := range w.Connections {
			t := scim.Terms{Rate: c.Rate, Shared: w.Rate, Keep: w.Requests.Keep, Most: w.Requests.Most}
			for _, text := range c.Networks {
				network, err := configs.ParseProxy(text)
				if err != nil {
					return nil, fmt.Errorf("connection %s: networks: %w", c.ID, err)
				}
				t.Networks = append(t.Networks, network)
			}
			of[[2]string{w.ID, c.ID}] = t
		}
	}
	return func(workspace, connection string) scim.Terms { return of[[2]string{workspace, connection}] }, nil
}

// issuedTokens judges access tokens of other authorization servers, whose
// audience is our own SCIM endpoint unless the configuration says another.
func issuedTokens(config *configs.Config, url string, log *slog.Logger) (*oidc.AccessTokens, error) {
	var list []oidc.AccessTerms
	for i := range config.Workspaces {
		w := &config.Workspaces[i]
		for k := range w.Connections {
			c := &w.Connections[k]
			if c.Kind == "scim" && c.Tokens.Has() {
				list = append(list, oidc.AccessTerms{
					Workspace: w.ID, Connection: c.ID, Config: c.Tokens, Audience: cmp.Or(c.Tokens.Audience, strings.TrimSuffix(url, "/")+"/scim/v2"),
				})
			}
		}
	}
	return oidc.NewAccessTokens(list, log, time.Now)
}

// schedule prepares the polls of all directories, and the timers that every
// workspace has.
func (d *daemon) schedule(m *meter) (err error) {
	if d.sources, err = openDirectories(d.config, d.store, d.log); err != nil {
		return err
	}
	holder, err := holderName()
	if err != nil {
		return err
	}
	polled := make([]sync.Polled, len(d.sources))
	for i := range d.sources {
		polled[i] = d.sources[i].Polled
	}
	if d.polls, err = sync.NewScheduler(d.engine, polled, holder); err != nil {
		return err
	}
	d.polls.OnPoll(m.polled)
	return m.watch(d.config, d.store)
}

// listen opens the sockets.
func (d *daemon) listen(ctx context.Context) (err error) {
	c := d.config
	d.public = &listener{server: newServer(c, d.log)}
	if d.public.socket, err = listenOn(ctx, c.Listen); err != nil {
		return fmt.Errorf("listen: %w\ndo: %s", err, listenHint)
	}
	d.url = strings.TrimRight(c.PublicURL, "/")
	scheme := "http://"
	if c.TLS.Cert != "" {
		certs, err := newCertificates(c.TLS, d.log)
		if err != nil {
			return err
		}
		d.public.server.TLSConfig, d.public.tls, scheme = certs.config(), true, "https://"
	}
	if d.url == "" {
		d.url = scheme + d.public.socket.Addr().String()
	}
	proxies, err := trustedProxies(c)
	if err != nil {
		return err
	}
	d.public.socket = limitConnections(d.public.socket, c.Limits.Connections, c.Limits.ConnectionsPerAddress, proxies)
	if c.AdminListen == "" {
		return nil
	}
	d.admin = &listener{server: newServer(c, d.log)}
	// Profiles and traces are written for as long as they are asked for.
	d.admin.server.WriteTimeout = 0
	if d.admin.socket, err = listenOn(ctx, c.AdminListen); err != nil {
		return fmt.Errorf("admin_listen: %w\ndo: %s", err, listenHint)
	}
	return nil
}

// listenHint is what to do about an address that cannot be had.
const listenHint = "write an address of this machine that nothing else has, or stop what has it; ports below 1024 want CAP_NET_BIND_SERVICE"

func listenOn(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}

// trustedProxies reads the proxies that the configuration has judged.
func trustedProxies(c *configs.Config) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		p, err := configs.ParseProxy(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// newServer has the limits of reliability section 8.
func newServer(c *configs.Config, log *slog.Logger) *http.Server {
	l := &c.Limits
	return &http.Server{
		ReadHeaderTimeout: l.HeadTimeout, ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout, IdleTimeout: l.IdleTimeout,
		// net/http adds 4 KiB of its own to what it is told.
		MaxHeaderBytes: int(l.HeadBytes) - 4096, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// transportSecurity tells browsers to stay with HTTPS.
func transportSecurity(next http.Handler, tls bool) http.Handler {
	if !tls {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

// scimURL is what identity providers are given.
func (d *daemon) scimURL() string { return d.url + "/scim/v2" }

// run serves until ctx ends or a listener breaks, then drains and closes.
func (d *daemon) run(ctx context.Context) error {
	broken := make(chan error, 2)
	listeners := []*listener{d.public}
	ready := []any{"scim", d.scimURL(), "version", buildVersion()}
	if d.admin != nil {
		listeners = append(listeners, d.admin)
		ready = append(ready, "admin", "http://"+d.admin.socket.Addr().String())
	}
	// Requests outlive the signal: they are cancelled when the drain is over.
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for _, l := range listeners {
		l.server.BaseContext = func(net.Listener) context.Context { return requests }
		go func() { broken <- l.serve() }()
	}
	d.log.Info("ready", ready...)
	if err := systemd.Notify(systemd.Ready); err != nil {
		d.log.Warn("systemd was not told", "err", err)
	}
	if err := d.polls.Start(requests); err != nil {
		return errors.Join(err, d.drain(cancel), d.close())
	}
	stopDelivering := d.deliver(ctx)
	watch, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	go d.watchdog(watch)
	watching := d.watch(watch)

	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
		err = fmt.Errorf("listener broke: %w", err)
	}
	d.log.Info("stopping", "drain", d.config.Limits.Drain.String())
	if nerr := systemd.Notify(systemd.Stopping); nerr != nil {
		d.log.Warn("systemd was not told", "err", nerr)
	}
	delivered := stopDelivering()
	stopWatching()
	err = errors.Join(err, d.drain(cancel))
	watching.Wait()
	<-delivered
	return errors.Join(err, d.close())
}

// serve accepts until the server is shut down.
func (l *listener) serve() error {
	var err error
	if l.tls {
		err = l.server.ServeTLS(l.socket, "", "")
	} else {
		err = l.server.Serve(l.socket)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// watchdog tells systemd that the process answers itself, for as long as it
// does.
func (d *daemon) watchdog(ctx context.Context) {
	alive := func(context.Context) error { return nil }
	if d.admin != nil {
		address := "http://" + d.admin.socket.Addr().String() + "/livez"
		alive = func(ctx context.Context) error { return getOK(ctx, address) }
	}
	if err := systemd.Watchdog(ctx, alive); err != nil {
		d.log.Error("watchdog ends", "err", err)
	}
}

// getOK asks for a page and wants 200.
func getOK(ctx context.Context, url string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}

// drain lets requests under way end, for a while; then it cancels them.
func (d *daemon) drain(cancel context.CancelFunc) error {
	ctx, stop := context.WithTimeout(context.Background(), d.config.Limits.Drain)
	defer stop()
	// A poll that is cut applies nothing and begins anew at the next start, so
	// it is not waited for longer than it takes to notice.
	d.polls.Stop()
	err := d.public.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		d.log.Warn("requests still under way are cancelled")
		cancel()
		err = d.public.server.Close()
	}
	if d.admin != nil {
		err = errors.Join(err, d.admin.server.Close())
	}
	return err
}

// close closes what is open, the store last.
func (d *daemon) close() error {
	var errs []error
	if d.handler != nil {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		errs = append(errs, d.handler.Close(ctx))
		stop()
	}
	if d.product != nil {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		errs = append(errs, d.product.Close(ctx))
		stop()
	}
	for _, l := range []*listener{d.public, d.admin} {
		if l != nil && l.socket != nil {
			if err := l.socket.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if d.issued != nil {
		d.issued.Close()
	}
	if d.join != nil {
		d.join.Close()
	}
	if d.signIn != nil {
		d.signIn.Close()
	}
	for _, p := range d.providers {
		p.Close()
	}
	errs = append(errs, closeDirectories(d.sources))
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(append(errs, d.release())...)
}
