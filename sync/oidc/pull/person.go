package pull

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/workspace"
)

// schema is how one kind of API states a person.
type schema struct {
	// id is the property with the immutable id.
	id string
	// fields are the attributes of the mapping, sorted by name.
	fields []field
	// flag reads whether the person is enabled, and why not; known is false
	// where the record lacks what says so (OD1).
	flag func(doc map[string]any) (active bool, reason string, known bool)
	// nulls: the API states empty properties as null, so what is missing is
	// unknown. Elsewhere a whole record leaves empty ones out (LM8).
	nulls bool
	// extra adds attributes that are no plain property.
	extra func(doc map[string]any, a workspace.Attributes)
}

// field is one attribute of the mapping and where it comes from: the first
// path that has a value.
type field struct {
	name  string
	texts []string
	paths []path
}

// fieldsOf joins a kind's usual attributes with the configured ones.
func fieldsOf(usual map[string][]string, own map[string]string) ([]field, error) {
	names := maps.Clone(usual)
	for name, text := range own {
		if text == "" {
			delete(names, name)
			continue
		}
		names[name] = []string{text}
	}
	var out []field
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := field{name: name, texts: names[name]}
		for _, text := range f.texts {
			p, err := parsePath(text)
			if err != nil {
				return nil, fmt.Errorf("attributes.%s: %w", name, err)
			}
			f.paths = append(f.paths, p)
		}
		out = append(out, f)
	}
	return out, nil
}

// roots are the properties of a document that the fields begin at.
func roots(fields []field) []string {
	seen := map[string]bool{}
	for _, f := range fields {
		for _, p := range f.paths {
			seen[p[0].name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// identity makes an identity of a record. Whole records state what they lack
// as empty, by the habits of the API. Known is false when the flag is missing:
// then nothing is stated empty and `active` is not stated (OD1, EV3). An
// error: the record shows no id.
func (s *schema) identity(doc map[string]any, connection string, at workspace.Micros, whole bool) (id workspace.Identity, known bool, err error) {
	id = workspace.Identity{Connection: connection, ExternalID: normalID(scalar(doc[s.id])), ObservedAt: at, Attributes: workspace.Attributes{}}
	if id.ExternalID == "" {
		return id, false, fmt.Errorf("a record shows no %s", s.id)
	}
	active, reason, known := s.flag(doc)
	for i := range s.fields {
		f := &s.fields[i]
		spoken := whole && known && !s.nulls
		for _, p := range f.paths {
			v, present := p.values(doc)
			spoken = spoken || present && known
			if len(v) > 0 {
				id.Attributes[f.name] = v
				break
			}
		}
		if _, stated := id.Attributes[f.name]; !stated && spoken {
			id.Attributes[f.name] = []string{}
		}
	}
	if s.extra != nil {
		s.extra(doc, id.Attributes)
	}
	id.UserName, _ = id.Attributes.First("userName")
	id.Email, _ = id.Attributes.First("email")
	id.Name = displayName(id.Attributes)
	if known {
		id.Active, id.Reason = active, reason
		id.Attributes["active"] = []string{strconv.FormatBool(active)}
	}
	return id, known, nil
}

// displayName is the stated name, else given and family name.
func displayName(a workspace.Attributes) string {
	if name, _ := a.First("displayName"); name != "" {
		return name
	}
	given, _ := a.First("givenName")
	family, _ := a.First("familyName")
	return strings.TrimSpace(given + " " + family)
}

// normalID writes UUIDs in lower case (SO5); other ids are opaque.
func normalID(id string) string {
	if len(id) == 36 && uuid.Validate(id) == nil {
		return strings.ToLower(id)
	}
	return id
}

// disabled is a flag that is true or false: the property, and the value at
// which a person is enabled.
func disabled(property string, enabledIf bool) func(map[string]any) (bool, string, bool) {
	return func(doc map[string]any) (bool, string, bool) {
		v, ok := doc[property].(bool)
		if !ok {
			return false, "", false
		}
		if v == enabledIf {
			return true, "", true
		}
		return false, "disabled", true
	}
}
