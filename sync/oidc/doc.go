// Package oidc is OpenID Connect for Rollcall: who signed in just now, whether
// a signed-in person's account still answers (liveness), what the provider
// tells of its own accord (signals), and the directories that are read through
// a token of the issuer (sources section 9).
//
// It verifies and reports facts. What follows from them is the engine's to
// conclude: nothing in here writes.
package oidc
