//go:build race

package sync

// raceDetector tells that everything is some ten times slower: the longest
// searches are shortened then, stories are told on SQLite alone, and all of it
// runs whole without it (scripts/test.sh).
const raceDetector = true
