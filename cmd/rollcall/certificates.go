package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
)

// certificates serves the configured certificate and reads it anew when its
// file changes, so that renewals need no restart. It is safe for concurrent
// use.
type certificates struct {
	files configs.TLS
	log   *slog.Logger

	mu      stdsync.Mutex
	current *tls.Certificate
	written time.Time // of the certificate's file, when current was read
	looked  time.Time
}

// lookEvery bounds how often the file is looked at.
const lookEvery = 5 * time.Second

// newCertificates reads the certificate once: a daemon with a faulty one does
// not start.
func newCertificates(files configs.TLS, log *slog.Logger) (*certificates, error) {
	c := &certificates{files: files, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	c.looked = time.Now()
	return c, nil
}

// read reads both files. Caller holds mu, or nobody else knows c yet.
func (c *certificates) read() error {
	info, err := os.Stat(c.files.Cert)
	if err != nil {
		return fmt.Errorf("tls.cert: %w", err)
	}
	chain, err := os.ReadFile(c.files.Cert)
	if err != nil {
		return fmt.Errorf("tls.cert: %w", err)
	}
	key, err := c.files.Key.Resolve()
	if err != nil {
		return fmt.Errorf("tls.key: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, []byte(key.Reveal()))
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	c.current, c.written = &pair, info.ModTime()
	return nil
}

// get gives the newest certificate that could be read.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.looked) < lookEvery {
		return c.current, nil
	}
	c.looked = now
	info, err := os.Stat(c.files.Cert)
	if err == nil && !info.ModTime().Equal(c.written) {
		if err = c.read(); err == nil {
			c.log.Info("certificate read anew", "file", c.files.Cert)
		}
	}
	if err != nil {
		// The old one is better than none; a half-written pair mends itself
		// at the next look.
		c.log.Warn("certificate not read, the old one stays", "err", err)
	}
	return c.current, nil
}

// config is TLS 1.2 or newer: identity providers still need 1.2.
func (c *certificates) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}
