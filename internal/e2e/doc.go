// Package e2e holds tests that go from a real directory server to the
// workspace: OpenLDAP and Samba AD on one end, the engine on a real store on
// the other, and between them what the daemon wires. It has no code of its
// own.
package e2e
