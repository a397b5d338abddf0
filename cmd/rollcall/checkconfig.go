package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

type checkConfigCmd struct {
	configFlag
	Format  string `help:"Output: ${enum}." enum:"text,json" default:"text"`
	Connect bool   `help:"Test the directories that are read too, as connections test does."`
}

// Help is shown by --help.
func (checkConfigCmd) Help() string {
	return `Reads the configuration and the mappings it names, changes nothing and resolves no secret, so that a file can be
checked on another machine. Exit 0 if it is good, 2 if not. Warnings do not count. With --connect it goes on to read the
directories; exit 1 if one of them cannot be read as it should.

Example:
  rollcall check-config --config rollcall.yaml`
}

// finding is one problem or warning in JSON.
type finding struct {
	Severity string `json:"severity"` // error, warning
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Key      string `json:"key"`
	Text     string `json:"text"`
}

// Run judges the file. Its verdict is the output, so it goes to stdout.
func (c *checkConfigCmd) Run(ctx context.Context, env *environment) error {
	config, err := configs.Load(c.Config)
	found := []finding{}
	for _, p := range configs.Problems(err) {
		found = append(found, finding{"error", p.File, p.Line, p.Column, p.Path, p.Text})
	}
	if err == nil {
		for _, p := range config.Warnings() {
			found = append(found, finding{"warning", c.Config, p.Line, p.Column, p.Path, p.Text})
		}
	}
	var probes []probeView
	if err == nil && c.Connect {
		var cerr error
		if probes, cerr = testDirectories(ctx, config); cerr != nil {
			return cerr
		}
	}
	for i := range probes {
		found = append(found, probes[i].findings(c.Config)...)
	}
	if c.Format == "json" {
		if err := writeJSON(env.out, found); err != nil {
			return err
		}
	} else if werr := c.text(env, config, err); werr != nil {
		return werr
	}
	good := true
	for i := range probes {
		good = good && probes[i].OK
		if c.Format == "text" {
			if err := probes[i].text(env.out); err != nil {
				return err
			}
		}
	}
	switch {
	case err != nil:
		return &exitError{code: exitUsage}
	case !good:
		return &exitError{code: exitFailed}
	}
	return nil
}

// testDirectories tests every directory and identity provider of a
// configuration.
func testDirectories(ctx context.Context, config *configs.Config) (probes []probeView, err error) {
	for i := range config.Workspaces {
		w := &config.Workspaces[i]
		for k := range w.Connections {
			if c := &w.Connections[k]; !c.Polled() && c.Kind != oidc.Kind {
				continue
			}
			v, err := testConnection(ctx, config, w, &w.Connections[k])
			if err != nil {
				return nil, err
			}
			probes = append(probes, v)
		}
	}
	return probes, nil
}

// findings are what a test found, in JSON.
func (v *probeView) findings(file string) (found []finding) {
	if v.Error != nil {
		found = append(found, finding{Severity: "error", File: file, Key: v.ConnectionID, Text: *v.Error})
	}
	for _, r := range v.Rights {
		if r.Granted {
			continue
		}
		severity := "error"
		if r.Optional {
			severity = "warning"
		}
		found = append(found, finding{Severity: severity, File: file, Key: v.ConnectionID, Text: "missing right: " + r.Need + ": " + r.Why})
	}
	for _, w := range v.Warnings {
		found = append(found, finding{Severity: "warning", File: file, Key: v.ConnectionID, Text: w})
	}
	return found
}

func (c *checkConfigCmd) text(env *environment, config *configs.Config, err error) error {
	if err != nil {
		n := len(configs.Problems(err))
		_, perr := fmt.Fprintf(env.out, "%s\n\n%s\n", unreadable(err), count(n, "problem"))
		return perr
	}
	var errs []error
	for _, p := range config.Warnings() {
		_, werr := fmt.Fprintf(env.out, "%s:%d:%d: warning: %s: %s\n", c.Config, p.Line, p.Column, p.Path, p.Text)
		errs = append(errs, werr)
	}
	connections := 0
	for i := range config.Workspaces {
		connections += len(config.Workspaces[i].Connections)
	}
	_, werr := fmt.Fprintf(env.out, "%s is good: %s, %s\n", c.Config, count(len(config.Workspaces), "workspace"), count(connections, "connection"))
	return errors.Join(append(errs, werr)...)
}

// count writes a number with its noun: 1 problem, 2 problems.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
