// Package ldap reads OpenLDAP, Active Directory, 389 Directory Server and
// LDIF files as a sync.Source. It reports facts (entries, flags, tombstones,
// trouble) and never concludes that somebody is gone: that is the engine's
// business, and only after Sink.Done.
//
// The library underneath (go-ldap v3.4.15) reports several failures as an
// empty success. Every search therefore goes through link.stream, which turns
// what the library hides into errors (sources section 8.3, LC1 to LC11).
//
// A Source is safe for concurrent use; one Full, Delta or Sweep runs at a
// time, Get and Check use connections of their own (SO1).
package ldap
