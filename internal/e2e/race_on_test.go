//go:build race

package e2e

// raceDetector tells that everything is some ten times slower: the longest
// searches are shortened then.
const raceDetector = true
