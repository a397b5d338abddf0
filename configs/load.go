package configs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/yamldoc"
	"github.com/rollcall-sync/rollcall/mapping"
)

// Load reads a configuration file and the mappings that it names. The error
// joins every problem found as *Problem, in the order of the file. Paths in it
// are taken from the file's folder. Secrets are not resolved: a configuration
// may be checked on another machine.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(text, path)
}

// Parse is Load for text already read; file is its name in problems and the
// place that its paths are relative to.
func Parse(text []byte, file string) (*Config, error) {
	sum := sha256.Sum256(text)
	c := &Config{File: file, Hash: "sha256:" + hex.EncodeToString(sum[:])}
	c.setDefaults()
	d := &decoder{file: file, places: map[string]yamldoc.Place{}}
	root, ok := d.document(text)
	if !ok {
		return nil, joined(d.problems)
	}
	d.read(root, "", reflect.ValueOf(c).Elem())
	for i := range c.Workspaces {
		for k := range c.Workspaces[i].Connections {
			path := fmt.Sprintf("workspaces[%d].connections[%d]", i, k)
			d.foreign(path, &c.Workspaces[i].Connections[k])
			d.usualPoll(path, &c.Workspaces[i].Connections[k])
		}
	}
	unread := d.problems
	for _, p := range c.Validate() {
		if slices.ContainsFunc(unread, func(u *Problem) bool { return within(p.Path, u.Path) || within(u.Path, p.Path) }) {
			continue // what could not be read is not judged a second time
		}
		at := d.nearest(p.Path)
		p.File, p.Line, p.Column = file, at.Line, at.Column
		d.problems = append(d.problems, p)
	}
	c.place = d.nearest
	c.under(filepath.Dir(file))
	d.loadMappings(c)
	if len(d.problems) > 0 {
		return nil, joined(d.problems)
	}
	return c, nil
}

// within reports whether a key is another one or lies below it.
func within(path, table string) bool {
	rest, below := strings.CutPrefix(path, table)
	return below && (rest == "" || table == "" || rest[0] == '.' || rest[0] == '[')
}

// nearest is the place of a key, or of the table that lacks it.
func (d *decoder) nearest(path string) yamldoc.Place {
	for path != "" {
		if at, ok := d.places[path]; ok {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return yamldoc.Place{Line: 1, Column: 1}
}

// under takes the paths of the file from its folder.
func (c *Config) under(dir string) {
	from := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	if path, ok := strings.CutPrefix(c.Database, "sqlite:"); ok {
		c.Database = "sqlite:" + from(path)
	}
	c.TLS.Cert, c.TLS.Key = from(c.TLS.Cert), c.TLS.Key.Under(dir)
	c.DatabasePassword, c.KeyRing = c.DatabasePassword.Under(dir), c.KeyRing.Under(dir)
	c.Events.Under(dir)
	c.Mail.Under(from, dir)
	for i := range c.Workspaces {
		c.Workspaces[i].Mapping = from(c.Workspaces[i].Mapping)
		for k := range c.Workspaces[i].Connections {
			c.Workspaces[i].Connections[k].Directory.under(from, dir)
			c.Workspaces[i].Connections[k].OIDC.Under(dir)
			c.Workspaces[i].Connections[k].Tokens.CA = fileUnder(from, c.Workspaces[i].Connections[k].Tokens.CA)
		}
	}
}

// loadMappings compiles the mapping of each workspace.
func (d *decoder) loadMappings(c *Config) {
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		if w.Mapping == "" {
			w.Rules = mapping.Default()
			continue
		}
		path := fmt.Sprintf("workspaces[%d].mapping", i)
		text, err := os.ReadFile(w.Mapping)
		if err != nil {
			at := d.nearest(path)
			d.problems = append(d.problems, &Problem{
				File: d.file, Line: at.Line, Column: at.Column, Path: path,
				Text: fmt.Sprintf("%v: write the mapping there, or leave the key out for the default mapping", err),
			})
			continue
		}
		ids := make([]string, len(w.Connections))
		for i, conn := range w.Connections {
			ids[i] = conn.ID
		}
		w.Rules, err = mapping.Load(text, mapping.LoadOptions{Connections: ids, File: w.Mapping})
		d.problems = append(d.problems, problemsOf(err)...)
	}
}

// Problems takes the problems out of an error of Load; nil if it holds none.
func Problems(err error) []*Problem { return problemsOf(err) }

func problemsOf(err error) []*Problem {
	var several interface{ Unwrap() []error }
	var one *Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several):
		var all []*Problem
		for _, e := range several.Unwrap() {
			all = append(all, problemsOf(e)...)
		}
		return all
	case errors.As(err, &one):
		return []*Problem{one}
	}
	return []*Problem{{Text: err.Error()}}
}

// joined puts problems into the order of their files and lines; those of the
// configuration itself come before those of its mappings.
func joined(problems []*Problem) error {
	if len(problems) == 0 {
		return nil
	}
	first := problems[0].File
	slices.SortStableFunc(problems, func(a, b *Problem) int {
		if (a.File == first) != (b.File == first) {
			if a.File == first {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// DatabaseURL is the address for the store, with the password in it: keep it
// out of logs. It reads the password anew at each call.
func (c *Config) DatabaseURL() (string, error) {
	if c.DatabasePassword.IsZero() {
		return c.Database, nil
	}
	password, err := c.DatabasePassword.Resolve()
	if err != nil {
		return "", fmt.Errorf("database_password: %w", err)
	}
	u, err := url.Parse(c.Database)
	if err != nil {
		return "", errors.New("database: not readable as a URL")
	}
	u.User = url.UserPassword(u.User.Username(), password.Reveal())
	return u.String(), nil
}
