//go:build !race

package sync

// raceDetector tells that nothing slows the tests down.
const raceDetector = false
