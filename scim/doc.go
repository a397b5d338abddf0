// Package scim is the SCIM 2.0 server that identity providers push to (RFC
// 7643, RFC 7644, cursors of RFC 9865): Users, Groups, Bulk, searches and
// discovery under /scim/v2. The bearer token tells the connection, and the
// connection's profile what its client is forgiven. A request becomes
// observations for the engine and is answered from what the engine made of
// them: every write goes that way.
package scim
