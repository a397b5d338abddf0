// Package pull reads the directories that are guarded by an OpenID
// Connect issuer: Microsoft Graph, Okta, Google Directory, Keycloak, and other
// SCIM servers (sources section 9.4). Each is a sync.Source: it streams pages
// to a sink, proves that a read was whole, and states facts; what they mean
// is for the engine alone.
//
// Begin with source.go; api.go holds what all of them share on the wire. The
// APIs' traps, and the tests that hold their defences, are listed in
// docs/directories.md.
package pull
