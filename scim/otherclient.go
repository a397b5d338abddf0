package scim

import (
	"strings"

	"github.com/rollcall-sync/rollcall/sync"
)

// clientNames are what clients call themselves in User-Agent, in lower case,
// by profile. A client that says nothing of itself looks like no other.
var clientNames = []struct{ part, profile string }{
	{"okta", "okta"},
	{"onelogin", "onelogin"},
	{"jumpcloud", "jumpcloud"},
	{"pingfederate", "ping"},
	{"pingone", "ping"},
	{"rippling", "rippling"},
	{"google", "google"},
	{"azure", "entra"},
	{"entra", "entra"},
	{"microsoft", "entra"},
}

// entraURN is the schema that only Microsoft's client names.
const entraURN = "schemas http://schemas.microsoft.com/"

// looksLike guesses the profile of a request's sender, and says what told; ""
// if nothing tells.
func looksLike(agent string, notes Notes) (like, shape string) {
	agent = strings.ToLower(clip(agent, maxUserAgent))
	for _, c := range clientNames {
		if strings.Contains(agent, c.part) {
			return c.profile, "User-Agent"
		}
	}
	for _, n := range notes {
		if n.Rule == TL02.String() && strings.HasPrefix(n.Attribute, entraURN) {
			return "entra", "the schema " + strings.TrimPrefix(entraURN, "schemas ")
		}
	}
	return "", ""
}

// otherClient counts a request that looks like another client's: a finding for
// a person (F20), never a switch. The profile strict is for clients of any name.
func (x *exchange) otherClient() {
	p := &x.link.profile
	if like, shape := looksLike(x.r.UserAgent(), x.notes); like != "" && like != p.Name && !p.Strict {
		seen := sync.OtherClient{Like: like, Shape: shape, Profile: p.Name}
		x.note(Notes{{Rule: sync.NoteOtherClient, Attribute: seen.String(), Count: 1}})
	}
}
