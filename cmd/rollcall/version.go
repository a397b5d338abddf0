package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `help:"Write one JSON object."`
}

// Help is shown by --help.
func (versionCmd) Help() string { return "Example:\n  rollcall version" }

// Run prints the version.
func (c *versionCmd) Run(env *environment) error {
	if c.JSON {
		return writeJSON(env.out, struct {
			Version string `json:"version"`
			Go      string `json:"go"`
		}{buildVersion(), runtime.Version()})
	}
	_, err := fmt.Fprintln(env.out, "rollcall", buildVersion())
	return err
}

// buildVersion is the linked version, else the module's or the commit that Go
// recorded, else devel.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
