package grant

import (
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertionLife is how long an assertion is good: long enough for clocks that
// differ, short enough to be of no use later.
const assertionLife = 5 * time.Minute

// googleLife is the life that Google wants of its assertions.
const googleLife = time.Hour

// serialize signs claims.
func serialize(signer jose.Signer, claims any) (string, error) {
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// googleClaims are the claims with which a service account acts for an
// administrator (`sub`).
type googleClaims struct {
	jwt.Claims
	Scope string `json:"scope"`
}

// accountAssertion is the assertion of a Google service account.
func (s *Source) accountAssertion(k *signingKey) (string, error) {
	now := s.now()
	return k.sign(googleClaims{
		Claims: jwt.Claims{
			Issuer: k.email, Subject: s.opt.Subject, Audience: jwt.Audience{s.opt.Endpoint},
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(googleLife)),
		},
		Scope: strings.Join(s.opt.Scopes, " "),
	})
}
