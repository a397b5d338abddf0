package scim

import "github.com/rollcall-sync/rollcall/internal/bearer"

// ErrToken is what is said of every text that is no token of ours.
var ErrToken = bearer.ErrToken

// Token is a bearer token of a connection of kind scim.
type Token = bearer.Token

// NewToken makes a token with 32 random bytes as its secret.
func NewToken() (Token, error) { return bearer.New(bearer.SCIM) }

// ParseToken reads the text of a bearer token. A wrong form or checksum is
// ErrToken: such a text cannot be a token, so that no row need be read.
func ParseToken(text string) (Token, error) { return bearer.Parse(bearer.SCIM, text) }
