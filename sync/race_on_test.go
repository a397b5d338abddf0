//go:build race

package sync

// raceDetector tells that everything is some ten times slower: the longest
// searches are shortened then, and run whole without it (scripts/test.sh).
const raceDetector = true
