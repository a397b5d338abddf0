// Package workspace is the domain: the nouns of a team-phone workspace, the
// 13-row role matrix, the scope rules beside it, the invariants and the
// customer's policy. It imports the standard library only and does no input
// or output: everything here is a value or a pure function.
//
// Identifiers are opaque strings (UUIDv7 unless configured), times are Unix
// microseconds in UTC (Micros), phone numbers are E.164 text.
package workspace
