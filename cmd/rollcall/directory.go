package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/ldap"
)

// directory is a connection that is polled, with its source. Close the source.
type directory struct {
	sync.Polled
	source *ldap.Source
}

// knownPeople is how many of the longest-known people must show up in reads
// of a connection without a sentinel, at least most of them (RD5).
const knownPeople = 5

// openDirectory makes the source of a connection of kind ldap; it opens no
// connection yet. Without a store nobody is known.
func openDirectory(w *configs.Workspace, c *configs.Connection, s *store.Store, log *slog.Logger) (*directory, error) {
	opt := ldap.Options{Connection: c.ID, Log: log.With("workspace", w.ID, "connection", c.ID)}
	if s != nil {
		opt.Known = longestKnown(s.In(w.ID), c.ID)
	}
	source, err := ldap.New(c.Config, opt)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", c.ID, err)
	}
	return &directory{source: source, Polled: sync.Polled{
		Workspace: w.ID, Connection: c.ID, Source: source, Poll: c.Poll, Full: c.Full, Sweep: c.Sweep, Deadline: c.Deadline,
		MinExpected: c.MinExpected.N, OutOfScope: c.OutOfScope,
	}}, nil
}

// longestKnown gives the ids of the people whom a connection knows longest.
func longestKnown(h *store.Handle, connection string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) (ids []string, err error) {
		err = h.View(ctx, func(r *store.Reader) error {
			_, people, err := r.Users(store.UserQuery{Connection: connection, Start: 1, Count: knownPeople})
			for i := range people {
				ids = append(ids, people[i].ExternalID)
			}
			return err
		})
		return ids, err
	}
}

// openDirectories makes the sources of all polled connections.
func openDirectories(c *configs.Config, s *store.Store, log *slog.Logger) (all []*directory, err error) {
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		for k := range w.Connections {
			if w.Connections[k].Kind != ldap.Kind {
				continue
			}
			d, err := openDirectory(w, &w.Connections[k], s, log)
			if err != nil {
				return nil, errors.Join(err, closeDirectories(all))
			}
			all = append(all, d)
		}
	}
	return all, nil
}

func closeDirectories(all []*directory) error {
	var errs []error
	for _, d := range all {
		errs = append(errs, d.source.Close())
	}
	return errors.Join(errs...)
}

// polledConnection finds the polled connection that a command is about.
func polledConnection(w *configs.Workspace, id string) (*configs.Connection, error) {
	if err := knownConnection(w, id); err != nil {
		return nil, err
	}
	for i := range w.Connections {
		if c := &w.Connections[i]; c.ID == id && c.Kind == ldap.Kind {
			return c, nil
		}
	}
	return nil, &exitError{exitUsage, fmt.Errorf("connection %s is not read by Rollcall: its directory pushes", id)}
}

// holderName names this process in leases; no two have the same.
func holderName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8]), nil
}
