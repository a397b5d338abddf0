package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/ldap"
	"github.com/rollcall-sync/rollcall/sync/oidc/pull"
	"github.com/rollcall-sync/rollcall/workspace"
)

// directory is a connection that is polled, with its source. Close the source.
type directory struct {
	sync.Polled
	source interface {
		sync.Source
		io.Closer
	}
}

// knownPeople is how many of the longest-known people must show up in reads
// of a connection without a sentinel, at least most of them (RD5).
const knownPeople = 5

// apiRates are the rate buckets of directory APIs: one a host, however many
// connections of this process call it (OD3).
var apiRates pull.Buckets

// openDirectory makes the source of a polled connection; it opens no
// connection yet. Without a store nobody is known.
func openDirectory(w *configs.Workspace, c *configs.Connection, s *store.Store, log *slog.Logger) (*directory, error) {
	log = log.With("workspace", w.ID, "connection", c.ID)
	d := &directory{Polled: sync.Polled{
		Workspace: w.ID, Connection: c.ID, Poll: c.Poll, Full: c.Full, Sweep: c.Sweep, Deadline: c.Deadline,
		MinExpected: c.MinExpected.N, OutOfScope: c.OutOfScope,
	}}
	var known, groups func(context.Context) ([]string, error)
	var unknown func(context.Context, []string) ([]string, error)
	if s != nil {
		known, groups, unknown = longestKnown(s.In(w.ID), c.ID), knownGroups(s.In(w.ID), c.ID), unknownPeople(s.In(w.ID), c.ID)
	}
	var err error
	if c.Kind == ldap.Kind {
		d.source, err = ldap.New(c.Config, ldap.Options{Connection: c.ID, Known: known, Log: log})
	} else {
		d.source, err = pull.New(c.OIDC, pull.Options{
			Connection: c.ID, Sentinel: c.Sentinel, Known: known, Mapped: mappedGroups(w, c.ID), Groups: groups, Unknown: unknown, CA: c.CA, Buckets: &apiRates, Log: log,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", c.ID, err)
	}
	d.Source = d.source
	return d, nil
}

// mappedGroups are the directory groups that the mapping names for a
// connection. A bare name may be an id as well.
func mappedGroups(w *configs.Workspace, connection string) (out []pull.Group) {
	if w.Rules == nil {
		return nil
	}
	for _, k := range w.Rules.SourceGroups(connection) {
		g := pull.Group{ID: k.ID, Name: k.Name}
		if k.Connection == "" {
			g.ID = k.Name
		}
		out = append(out, g)
	}
	return out
}

// knownGroups gives the ids of the groups that the store has of a connection.
func knownGroups(h *store.Handle, connection string) func(context.Context) ([]string, error) {
	const page = 1000
	return func(ctx context.Context) (ids []string, err error) {
		for start, total := 1, 1; start <= total; start += page {
			err := h.View(ctx, func(r *store.Reader) (err error) {
				var list []workspace.DirectoryGroup
				total, list, err = r.DirectoryGroups(store.UserQuery{Connection: connection, Start: start, Count: page})
				for i := range list {
					ids = append(ids, list[i].ExternalID)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		return ids, nil
	}
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

// unknownPeople gives those of some ids whom the store does not have.
func unknownPeople(h *store.Handle, connection string) func(context.Context, []string) ([]string, error) {
	return func(ctx context.Context, ids []string) (unknown []string, err error) {
		err = h.View(ctx, func(r *store.Reader) error {
			list, err := r.KnownByExternal(connection, ids)
			have := map[string]bool{}
			for i := range list {
				have[list[i].ExternalID] = true
			}
			for _, id := range ids {
				if !have[id] {
					unknown = append(unknown, id)
				}
			}
			return err
		})
		return unknown, err
	}
}

// openDirectories makes the sources of all polled connections.
func openDirectories(c *configs.Config, s *store.Store, log *slog.Logger) (all []*directory, err error) {
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		for k := range w.Connections {
			if !w.Connections[k].Polled() {
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
		if c := &w.Connections[i]; c.ID == id && c.Polled() {
			return c, nil
		}
	}
	return nil, &exitError{exitUsage, fmt.Errorf("connection %s is not read by Rollcall: its directory pushes\ndo: see what it sends with `rollcall requests --connection %s`", id, id)}
}

// holderName names this process in leases; no two have the same.
func holderName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8]), nil
}
