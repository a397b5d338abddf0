//go:build race

package scim

// raceFactor widens bounds on time under the race detector.
const raceFactor = 20
