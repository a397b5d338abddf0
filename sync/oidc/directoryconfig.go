package oidc

import (
	"github.com/rollcall-sync/rollcall/internal/secret"
)

// DirectoryConfig names the directory API that is read through a token of the
// issuer (sources section 9.4). The zero value is none.
type DirectoryConfig struct {
	// Kind is graph, okta, google, keycloak or scim.
	Kind string `yaml:"kind"`
	// APIBase is the API's address; links that leave its scheme, host and port
	// are refused (ON1).
	APIBase string `yaml:"api_base"`
	// Groups is mapped (those that the mapping names) or all; "" is mapped.
	Groups string        `yaml:"groups"`
	Auth   DirectoryAuth `yaml:"auth"`
}

// DirectoryAuth is how the API's tokens are asked for (OD4).
type DirectoryAuth struct {
	// Method is client_secret_basic, client_secret_post, private_key_jwt.
	Method       string     `yaml:"method"`
	ClientID     string     `yaml:"client_id"`
	ClientSecret secret.Ref `yaml:"client_secret"`
	Key          secret.Ref `yaml:"key"` // PEM
}

// Has reports whether a directory is read.
func (d DirectoryConfig) Has() bool { return d.Kind != "" }

// under takes the configuration's files from a folder.
func (d *DirectoryConfig) under(dir string) {
	d.Auth.ClientSecret, d.Auth.Key = d.Auth.ClientSecret.Under(dir), d.Auth.Key.Under(dir)
}

// validate judges the keys below `directory`.
func (d DirectoryConfig) validate(v *validation) {
	if d == (DirectoryConfig{}) {
		return
	}
	if d.Kind == "" {
		v.addf("directory.kind", "is missing: write graph, okta, google, keycloak or scim")
	}
	v.oneOf("directory.kind", d.Kind, "graph", "okta", "google", "keycloak", "scim")
	v.oneOf("directory.groups", d.Groups, "mapped", "all")
	v.oneOf("directory.auth.method", d.Auth.Method, "client_secret_basic", "client_secret_post", "private_key_jwt")
	v.ref("directory.auth.client_secret", d.Auth.ClientSecret)
	v.ref("directory.auth.key", d.Auth.Key)
	v.endpoint("directory.api_base", d.APIBase)
}
