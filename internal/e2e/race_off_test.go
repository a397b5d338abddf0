//go:build !race

package e2e

// raceDetector tells that nothing slows the tests down.
const raceDetector = false
