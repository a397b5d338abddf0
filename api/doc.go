// Package api is the JSON API under /v1 for the phone product and for
// operators. One table (routes.go) drives routing, scopes, the decoding of
// bodies and the OpenAPI document.
//
// Reads go to the store. Every write goes through the engine, which judges it
// with the role that the acting member has now: a token says which program
// calls and what it may ask for at all (scopes), never who may do what.
package api
