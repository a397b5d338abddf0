// Package fakeidp has faithful fakes of directory APIs, written from their
// public documentation: Microsoft Graph, Okta, Google Directory, Keycloak
// Admin REST and a SCIM 2.0 server, each with its token endpoint and with
// faults that a test switches on. What passes against a fake is not tested
// with the service itself (OD5).
package fakeidp
