package scim

import "strings"

// NoteClient is the rule of the note under which traffic is counted that looks like
// another client than the profile's: a finding for a person, never a switch.
const NoteClient = "CLIENT"

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

// looksLike guesses the profile of a request's sender, "" if nothing tells.
func looksLike(agent string, notes Notes) string {
	agent = strings.ToLower(clip(agent, maxUserAgent))
	for _, c := range clientNames {
		if strings.Contains(agent, c.part) {
			return c.profile
		}
	}
	for _, n := range notes {
		if n.Rule == TL02.String() && strings.HasPrefix(n.Attribute, entraURN) {
			return "entra"
		}
	}
	return ""
}

// otherClient counts a request that looks like another client's. The profile
// strict is for clients of any name.
func (x *exchange) otherClient() {
	p := &x.link.profile
	if like := looksLike(x.r.UserAgent(), x.notes); like != "" && like != p.Name && !p.Strict {
		x.note(Notes{{Rule: NoteClient, Attribute: like, Count: 1}})
	}
}
