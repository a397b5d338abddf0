package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type healthCmd struct {
	configFlag
}

// Help is shown by --help.
func (healthCmd) Help() string {
	return `Asks /readyz on admin_listen: can the daemon answer, and can it write to its store? Exit 0 if it is ready, 1 if not.

Example:
  rollcall health --config rollcall.yaml`
}

// Run asks the daemon.
func (c *healthCmd) Run(ctx context.Context, env *environment) (err error) {
	config, err := c.load()
	if err != nil {
		return err
	}
	if config.AdminListen == "" {
		return &exitError{exitUsage, fmt.Errorf("%s has no admin_listen: add admin_listen: 127.0.0.1:8081 and restart the daemon", c.Config)}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+config.AdminListen+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("no answer from %s: %w\ndo: start the daemon with `rollcall serve --config %s`", config.AdminListen, err, c.Config)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", config.AdminListen, err)
	}
	text := clean(strings.TrimSpace(string(body)))
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s\ndo: see the daemon's log", text)
	}
	_, err = fmt.Fprintln(env.out, text)
	return err
}
