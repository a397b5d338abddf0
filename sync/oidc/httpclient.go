package oidc

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/safedial"
)

// Bounds of what is read from a provider (OI6).
const (
	CallTimeout = 10 * time.Second
	MaxDocument = 1 << 20  // discovery, keys, tokens, UserInfo
	MaxPage     = 16 << 20 // a page of a directory
)

// ErrTooLarge says that an answer was longer than its bound.
var ErrTooLarge = errors.New("the answer is larger than what is read")

// ClientOptions say whom a client may call.
type ClientOptions struct {
	// AllowPrivateNetworks are CIDR ranges that may be called although they
	// are special (ON2).
	AllowPrivateNetworks []string
	// CA is file:PATH of the authorities trusted instead of the system's.
	CA string
	// MaxBody bounds one answer in bytes; 0 is MaxDocument.
	MaxBody int64
}

// NewClient makes the one kind of client that calls providers: 10 s a call, no
// redirects (they are given back as the answers that they are), no proxy, no
// cookies, every address checked when it is dialled, bodies bounded (OI6, ON2).
// It is safe for concurrent use.
func NewClient(opt ClientOptions) (*http.Client, error) {
	o := safedial.Options{CallTimeout: CallTimeout}
	for _, text := range opt.AllowPrivateNetworks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("allow_private_networks: %q is no range: write it as 10.0.0.0/24", text)
		}
		o.Allowed = append(o.Allowed, p.Masked())
	}
	if opt.CA != "" {
		pem, err := os.ReadFile(strings.TrimPrefix(opt.CA, "file:"))
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no certificate in PEM form", opt.CA)
		}
	}
	if opt.MaxBody == 0 {
		opt.MaxBody = MaxDocument
	}
	client := safedial.New(o).Client()
	client.Transport = &bounded{next: client.Transport, most: opt.MaxBody}
	return client, nil
}

// bounded is a transport whose answers end with ErrTooLarge after so many
// bytes.
type bounded struct {
	next http.RoundTripper
	most int64
}

// RoundTrip sends the request.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = &limitedBody{ReadCloser: res.Body, left: b.most}
	return res, nil
}

// CloseIdleConnections ends connections that are kept.
func (b *bounded) CloseIdleConnections() {
	if c, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// limitedBody gives an error where io.LimitReader would pretend an end: a cut
// document must not pass for a whole one.
type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read reads up to the bound.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
