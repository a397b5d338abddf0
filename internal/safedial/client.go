// Package safedial makes outgoing HTTP requests to addresses that somebody
// else chose, without becoming their way into our own network (server-side
// request forgery; leavers-and-events SS1, SS2).
//
// Every address is checked when its connection is made, after the name was
// resolved: a name that changes its mind between a check and the call (DNS
// rebinding) gains nothing.
package safedial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bounds of one call (SS2).
const (
	DialTimeout = 3 * time.Second
	CallTimeout = 10 * time.Second
)

// Options say whom a Guard lets call what. The zero value allows the public
// Internet over https alone.
type Options struct {
	// Allowed are networks that may be called although they are special.
	// Plain http is possible to loopback alone, and only if it is in here.
	Allowed []netip.Prefix
	// RootCAs are the authorities trusted instead of the system's.
	RootCAs *x509.CertPool
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// DialTimeout and CallTimeout are the constants of the same name if zero.
	DialTimeout, CallTimeout time.Duration
}

// Guard makes clients. It is safe for concurrent use.
type Guard struct{ opt Options }

// New makes a Guard.
func New(opt Options) *Guard {
	if opt.DialTimeout == 0 {
		opt.DialTimeout = DialTimeout
	}
	if opt.CallTimeout == 0 {
		opt.CallTimeout = CallTimeout
	}
	return &Guard{opt}
}

// Check gives a *RefusedError for an address that must not be called.
func (g *Guard) Check(addr netip.Addr) error {
	why := Special(addr)
	if why == "" || g.allowed(addr) {
		return nil
	}
	return &RefusedError{What: addr.String(), Why: why}
}

func (g *Guard) allowed(addr netip.Addr) bool {
	for _, p := range g.opt.Allowed {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// CheckURL parses a URL and refuses what can be seen to be wrong without a
// look-up: another scheme than https (http to loopback is for the list to
// allow), user information, a fragment, a host in a form that only some
// resolvers read as an address, an address that must not be called.
func (g *Guard) CheckURL(raw string) (*url.URL, error) {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return nil, &RefusedError{What: "URL", Why: "it has a blank, a control character or a backslash"}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &RefusedError{What: "URL", Why: "it cannot be read"}
	}
	refuse := func(why string) (*url.URL, error) {
		return nil, &RefusedError{What: u.Scheme + "://" + u.Host, Why: why}
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("not https")
	case u.User != nil:
		return refuse("user information in the URL")
	case u.Opaque != "" || host == "":
		return refuse("no host")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return refuse("a fragment is never sent")
	case strings.ContainsAny(host, "%@"):
		return refuse("the host is no plain name or address")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return refuse("no such port")
		}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		if looksNumeric(host) {
			return refuse("an address in a form that is read differently by different programs: write it as four decimal numbers")
		}
		if u.Scheme == "http" && !loopbackName(host) {
			return refuse("not https")
		}
		return u, nil
	}
	if u.Scheme == "http" && !addr.IsLoopback() {
		return refuse("not https")
	}
	return u, g.Check(addr)
}

// looksNumeric tells whether some resolver may read a name as an IPv4 address
// (2130706433, 0x7f000001, 0177.0.0.1, 127.1): its last label is a number.
func looksNumeric(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := strings.ToLower(labels[len(labels)-1])
	if rest, hex := strings.CutPrefix(last, "0x"); hex {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func loopbackName(host string) bool {
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// Client makes a client: no redirects, no cookies, no proxy from the
// environment, TLS 1.2 or newer with the name verified, all of a call within
// the time. A redirect is given back as the answer it is.
func (g *Guard) Client() *http.Client {
	return &http.Client{
		Timeout:       g.opt.CallTimeout,
		Transport:     &transport{guard: g, https: g.transport(false), http: g.transport(true)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport lets a request go by the rules of its scheme.
type transport struct {
	guard       *Guard
	https, http *http.Transport
}

// RoundTrip checks the URL and sends the request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, err := t.guard.CheckURL(req.URL.String()); err != nil {
		return nil, errors.Join(err, closeBody(req))
	}
	if req.URL.Scheme == "http" {
		return t.http.RoundTrip(req)
	}
	return t.https.RoundTrip(req)
}

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// CloseIdleConnections ends connections that are kept.
func (t *transport) CloseIdleConnections() {
	t.https.CloseIdleConnections()
	t.http.CloseIdleConnections()
}

func (g *Guard) transport(plain bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: g.opt.DialTimeout, Resolver: g.opt.Resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error { return g.control(address, plain) },
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: g.opt.RootCAs},
		TLSHandshakeTimeout:    g.opt.CallTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 16 << 10,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        60 * time.Second,
	}
}

// control judges the address that a socket is about to be connected to.
func (g *Guard) control(address string, plain bool) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is no address", ErrRefused, address)
	}
	if plain && !to.Addr().IsLoopback() {
		return &RefusedError{What: to.Addr().String(), Why: "plain http off loopback"}
	}
	return g.Check(to.Addr())
}
