// Package ldaptest starts real directory servers on loopback for tests:
// OpenLDAP's slapd, Samba as an Active Directory domain controller and 389
// Directory Server. Every server has a temporary folder of its own and ends with the test process,
// even with one that is killed. A server that is not installed fails the
// test and names the remedy.
package ldaptest
