package scim

import (
	"strings"

	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/store"
)

// ErrToken is what is said of every text that is no token of ours.
var ErrToken = bearer.ErrToken

// Token is a bearer token of a connection of kind scim.
type Token = bearer.Token

// NewToken makes a token with 32 random bytes as its secret.
func NewToken() (Token, error) { return bearer.New(bearer.SCIM) }

// ParseToken reads the text of a bearer token: a static one, or an access
// token of an OAuth client. A wrong form or checksum is ErrToken: such a text
// cannot be a token, so that no row need be read.
func ParseToken(text string) (Token, error) {
	token, err := bearer.Parse(bearer.SCIM, text)
	if err != nil {
		token, err = bearer.Parse(bearer.Access, text)
	}
	return token, err
}

// tokenKind is the kind of row that a token's prefix stands for. The JSON API
// has the prefix of access tokens too, and its tokens are no good here.
func tokenKind(t Token) string {
	if strings.HasPrefix(t.Reveal(), bearer.Access+"_") {
		return store.TokenAccess
	}
	return store.TokenBearer
}
