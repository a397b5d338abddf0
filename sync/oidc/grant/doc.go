// Package grant gets access tokens for Rollcall itself: client credentials
// (RFC 6749 section 4.4) with a secret or a signed assertion (RFC 7523
// section 2.2), the assertion grant of Google's service accounts (RFC 7523
// section 2.1), tokens bound to a key (RFC 9449), and fixed bearer tokens. How a client
// proves itself is configured, never tried out (OD4).
package grant
