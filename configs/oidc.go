package configs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// oidc judges a connection of kind oidc.
func (j *judge) oidc(path string, c *Connection) {
	for _, err := range c.OIDC.Validate() {
		key, text, _ := strings.Cut(err.Error(), ": ")
		j.addf(path+"."+key, "%s", text)
	}
	if c.CA != "" && (!strings.HasPrefix(c.CA, "file:") || c.CA == "file:") {
		j.addf(path+".ca", "%q is no file: write file:/PATH", c.CA)
	}
	switch c.OutOfScope {
	case "deactivate", "keep", "hold":
	default:
		j.addf(path+".out_of_scope", "%q is not known: write one of deactivate, keep, hold", c.OutOfScope)
	}
	j.polled(path, c)
}

// signIns judges what concerns all connections of kind oidc together.
func (j *judge) signIns(c *Config) {
	if err := c.KeyRing.Validate("key_ring"); err != nil {
		j.addf("key_ring", "%s", strings.TrimPrefix(err.Error(), "key_ring: "))
	}
	seen := map[string]string{}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		for k := range w.Connections {
			x, path := &w.Connections[k], fmt.Sprintf("workspaces[%d].connections[%d]", i, k)
			if x.Kind != oidc.Kind {
				continue
			}
			if other, twice := seen[x.ID]; twice && other != w.ID {
				j.addf(path+".id", "%q is a connection of workspace %s too, and /signin/%s could mean both: give it another id", x.ID, other, x.ID)
			}
			seen[x.ID] = w.ID
			if records := x.OIDC.SignIn.Records; records != "" && !w.hasRecords(records, x.ID) {
				j.addf(path+".sign_in.records", "%q is no connection of this workspace that states people: write the id of the one that pushes or reads them", records)
			}
			if x.OIDC.Liveness.Every != 0 && c.KeyRing.IsZero() {
				j.addf(path+".liveness.every", "keeps refresh tokens, and there is no key to encrypt them with: add key_ring: file:/PATH at the top")
			}
		}
	}
}

// hasRecords reports whether a connection other than self states who exists.
func (w *Workspace) hasRecords(id, self string) bool {
	return id != self && slices.ContainsFunc(w.Connections, func(c Connection) bool {
		return c.ID == id && c.Kind != kindAPI && (c.Kind != oidc.Kind || c.OIDC.Directory.Has())
	})
}
