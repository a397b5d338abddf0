package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
)

type demoCmd struct {
	Dir    string `help:"Folder for the demo's files; a temporary one, removed at the end, if left out." placeholder:"DIR"`
	Once   bool   `help:"Exit after the reports instead of serving on."`
	Listen string `help:"Address of the public listener." default:"127.0.0.1:0"`
}

// Help is shown by --help.
func (demoCmd) Help() string {
	return `Starts a daemon on an embedded store, and is two identity providers to it by real SCIM requests: Okta with 24 people
in Oslo, Entra ID with 16 in London. Two people leave, one is raised to Admin by a group (held, shown, approved), one is
asked to be Owner (refused). Then it prints the reports and serves on until Ctrl-C.

Example:
  rollcall demo
  rollcall demo --dir /tmp/acme --once`
}

// Run plays the demo.
func (c *demoCmd) Run(ctx context.Context, env *environment) (err error) {
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	file, err := c.writeFiles(dir)
	if err != nil {
		return err
	}
	config, err := configs.Load(file)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "rollcall.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	// The daemon outlives the play by what it takes to drain.
	serving, stop := context.WithCancel(ctx)
	defer stop()
	d, err := startDaemon(serving, config, newLogger(log, "debug"))
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- d.run(serving) }()
	p := &play{ctx: ctx, env: env, dir: dir, file: file, url: d.scimURL(), admin: config.AdminListen}
	err = p.perform()
	if err == nil && !c.Once {
		err = p.invite()
		select {
		case <-ctx.Done():
		case derr := <-ended:
			return errors.Join(err, derr)
		}
	}
	stop()
	return errors.Join(err, <-ended)
}

// folder makes the folder of the demo, and says how it goes away.
func (c *demoCmd) folder() (dir string, remove func() error, err error) {
	if c.Dir == "" {
		dir, err = os.MkdirTemp("", "rollcall-demo-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "rollcall.db")); !errors.Is(err, os.ErrNotExist) {
		return "", nil, &exitError{exitUsage, fmt.Errorf("--dir: %s holds a rollcall.db already: name an empty folder", c.Dir)}
	}
	dir, err = filepath.Abs(c.Dir)
	return dir, func() error { return nil }, err
}

// freeAddress reserves an address on loopback for the configuration: the
// commands of a second terminal must find the daemon.
func freeAddress(ctx context.Context, address string) (string, error) {
	l, err := listenOn(ctx, address)
	if err != nil {
		return "", fmt.Errorf("--listen: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// say writes one line of the play.
func say(out io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(out, format+"\n", args...)
	return err
}

// dialTimeout bounds each request of the play.
const dialTimeout = 30 * time.Second

// loopbackHost refuses to be an identity provider without TLS for others.
func loopbackHost(address string) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &exitError{exitUsage, fmt.Errorf("--listen: the demo serves on loopback only, such as 127.0.0.1:8080, not %q", address)}
	}
	return nil
}
