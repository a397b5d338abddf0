// Package sync is the engine: the one way from an observation to a change.
//
//	observe -> identities -> map (want) -> plan (have vs want) -> check -> apply -> report + events
//
// A SCIM request is a batch of one, a poll a batch of many, a person's edit
// and an approval are batches with a person as the actor. A unit of work
// writes its rows, report, audit leaf, outbox rows and cursor in one
// transaction, or nothing. A dry run is the same call, rolled back.
//
// An Engine is safe for concurrent use.
package sync
