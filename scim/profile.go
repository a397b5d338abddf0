package scim

import (
	"fmt"
	"time"
)

// Tolerance is one deviation from the RFCs that real clients need, TL01 to
// TL15; its Text says which. Each use is counted, so that an administrator can
// see which client does what.
type Tolerance uint8

// The tolerances.
const (
	TL01 Tolerance = iota + 1
	TL02
	TL03
	TL04
	TL05
	TL06
	TL07
	TL08
	TL09
	TL10
	TL11
	TL12
	TL13
	TL14
	TL15
)

// toleranceTexts say what each tolerance lets pass.
var toleranceTexts = [...]string{
	TL01: "op and Operations in any letter case",
	TL02: "schemas missing, unknown URNs in it, a bare PATCH body",
	TL03: `booleans as "True", "False", "1", "0", 1, 0`,
	TL04: "numbers as text, and text as numbers",
	TL05: "a list of one for a single value, an object for a list, bare text for value",
	TL06: "$ref null, null entries in lists",
	TL07: "id, meta, schemas, groups and other readOnly attributes in bodies",
	TL08: "dotted and URN keys, a whole URN as path",
	TL09: "a value path that matches nothing creates the entry",
	TL10: `"" clears`,
	TL11: "bare words in filters",
	TL12: "unknown attributes",
	TL13: "URNs of SCIM 1.0",
	TL14: "several primary values: the first stays",
	TL15: "endpoint names in any letter case",
}

// Text says in English what is let pass.
func (t Tolerance) Text() string { return toleranceTexts[t] }

// List gives the tolerances of a set in order.
func (s Tolerances) List() []Tolerance {
	var list []Tolerance
	for t := TL01; t <= TL15; t++ {
		if s.Has(t) {
			list = append(list, t)
		}
	}
	return list
}

// String returns the id, such as "TL03".
func (t Tolerance) String() string { return fmt.Sprintf("TL%02d", uint8(t)) }

// Tolerances is a set of Tolerance. The zero value tolerates nothing.
type Tolerances uint32

// tolerances builds a set.
func tolerances(list ...Tolerance) Tolerances {
	var s Tolerances
	for _, t := range list {
		s |= 1 << t
	}
	return s
}

// Has reports whether the set holds t.
func (s Tolerances) Has(t Tolerance) bool { return s&(1<<t) != 0 }

// Profile is the set of defaults for one kind of client. A profile is never a
// border: every lenient one takes all shapes that the known clients send.
type Profile struct {
	Name     string
	Tolerate Tolerances
	// Strict is set for the profile strict alone: what is unknown or malformed
	// is refused instead of ignored, and hidden attributes are listed.
	Strict bool
	// OktaRoles names the schema of /Roles as Okta's governance looks for it,
	// and shows the role in force in the core attribute `roles`.
	OktaRoles bool
	// Quiet delays mail, charge and page after a change.
	Quiet time.Duration
	// ListMembers shows members in lists of Groups without being asked.
	ListMembers bool
}

// lenient is what every profile but strict tolerates.
var lenient = tolerances(TL01, TL02, TL03, TL04, TL05, TL06, TL07, TL08, TL09, TL10, TL11, TL12, TL14, TL15)

// profiles is the table of all profiles, in the order in which they are listed.
var profiles = []Profile{
	{Name: "entra", Tolerate: lenient, ListMembers: true},
	{Name: "okta", Tolerate: lenient, ListMembers: true, OktaRoles: true},
	{Name: "onelogin", Tolerate: lenient | tolerances(TL13), ListMembers: true},
	{Name: "jumpcloud", Tolerate: lenient | tolerances(TL13), ListMembers: true, Quiet: 10 * time.Minute},
	{Name: "ping", Tolerate: lenient},
	{Name: "rippling", Tolerate: lenient, ListMembers: true},
	{Name: "google", Tolerate: lenient, ListMembers: true},
	{Name: "strict", Strict: true, ListMembers: true},
}

// LookupProfile returns the profile of this name; false if there is none.
func LookupProfile(name string) (Profile, bool) {
	for _, p := range profiles {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}

// ProfileNames lists the names that LookupProfile knows.
func ProfileNames() []string {
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.Name
	}
	return names
}

// Note is a tolerance (TL) that was used, or an ambiguity (DA) that was
// settled, with the attribute it concerns.
type Note struct {
	Rule      string
	Attribute string
	Count     int
}

// Notes counts notes per rule and attribute. The zero value is ready for use.
type Notes []Note

// maxNotes bounds the notes of one request: a body may hold any number of
// unknown names.
const maxNotes = 64

// add counts one use. Names come from the client, so they are cut.
func (n *Notes) add(rule, attribute string) {
	const longest = 128
	attribute = clip(attribute, longest)
	for i := range *n {
		if (*n)[i].Rule == rule && (*n)[i].Attribute == attribute {
			(*n)[i].Count++
			return
		}
	}
	if len(*n) < maxNotes {
		*n = append(*n, Note{Rule: rule, Attribute: attribute, Count: 1})
	}
}

// Count returns how often a rule was used, over all attributes.
func (n Notes) Count(rule string) int {
	sum := 0
	for _, note := range n {
		if note.Rule == rule {
			sum += note.Count
		}
	}
	return sum
}

// notices are the notes as a report shows them: which tolerance the request
// needed, and for what.
func (n Notes) notices() []string {
	if len(n) == 0 {
		return nil
	}
	list := make([]string, len(n))
	for i, note := range n {
		list[i] = "tolerated: " + note.Rule + " " + note.Attribute
		if note.Count > 1 {
			list[i] += fmt.Sprintf(" (%d times)", note.Count)
		}
	}
	return list
}

// addCount adds a note with its count.
func (n *Notes) addCount(note Note) {
	for i := range *n {
		if (*n)[i].Rule == note.Rule && (*n)[i].Attribute == note.Attribute {
			(*n)[i].Count += note.Count
			return
		}
	}
	if len(*n) < maxNotes {
		*n = append(*n, note)
	}
}
