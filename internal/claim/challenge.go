package claim

import (
	"crypto/rand"
	"strings"
)

const (
	challengeLabel  = "_rollcall-challenge"
	challengePrefix = "rollcall-verification="
)

// NewChallenge makes the text of the record that proves a claim. It is made
// once for each (workspace, domain), has 128 random bits or more (DC1), and is
// no secret: it stands in DNS.
func NewChallenge() string {
	return challengePrefix + strings.ToLower(rand.Text())
}

// RecordName is the name at which the record of a domain is looked for.
func RecordName(ascii string) string { return challengeLabel + "." + ascii }
