package scim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// document decodes a body that must be good.
func document(t testing.TB, body string) Document {
	t.Helper()
	p, _ := LookupProfile("entra")
	d, err := Decode([]byte(body), testUser, p)
	if err != nil {
		t.Fatal(err)
	}
	return Create(d.Document, testUser)
}

// patchWith decodes and applies a PATCH body.
func patchWith(doc Document, rt *ResourceType, p Profile, body string) (Document, MemberDelta, Diff, Notes, error) {
	ops, notes, err := DecodePatch([]byte(body), rt, p)
	if err != nil {
		return nil, MemberDelta{}, Diff{}, nil, err
	}
	after, members, diff, more, err := PatchGroup(doc, ops, rt, p)
	return after, members, diff, append(notes, more...), err
}

const (
	ent   = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	roll  = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:User"
	msgOp = `"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]`
)

// envelope wraps operations in a message that strict takes too.
func envelope(ops string) string { return `{` + msgOp + `,"Operations":[` + ops + `]}` }

// TestPatch is every User PATCH of section 8 and every TL and DA id that PATCH
// can meet. before is added to userName and the work address.
func TestPatch(t *testing.T) {
	tests := []struct {
		name, before, ops string
		want              string // Canonical document without userName, active and emails; "=" no change.
		notes             string // Rules that must have been noted.
		strict            string // "" the same as lenient; else scimType of the error under strict.
	}{
		{
			name: "TL01 TL03 Entra default: Replace active False", ops: `{"op":"Replace","path":"active","value":"False"}`,
			want: `"active":false`, notes: "TL01 TL03", strict: "invalidSyntax",
		},
		{name: "Entra flag: replace active false", ops: `{"op":"replace","path":"active","value":false}`, want: `"active":false`},
		{name: "TL05 Entra's older shape", ops: `{"op":"Replace","path":"active","value":[{"$ref":null,"value":"False"}]}`, want: `"active":false`, notes: "TL05", strict: "invalidSyntax"},
		{
			name: "TL08 Entra flag: path-less, dotted, URN", before: `"displayName":"A","name":{"familyName":"F"}`,
			ops:  `{"op":"replace","value":{"displayName":"B","name.givenName":"K","` + ent + `:employeeNumber":"7"}}`,
			want: `"displayName":"B","name":{"familyName":"F","givenName":"K"},"` + ent + `":{"employeeNumber":"7"}`, notes: "TL08", strict: "invalidSyntax",
		},
		{
			name: "TL09 Entra: Add creates the entry", ops: `{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"900 00 001"}`,
			want: `"phoneNumbers":[{"type":"mobile","value":"900 00 001"}]`, notes: "TL09", strict: "invalidSyntax",
		},
		{
			name: "TL09 strict: noTarget", ops: `{"op":"add","path":"phoneNumbers[type eq \"mobile\"].value","value":"900 00 001"}`,
			want: `"phoneNumbers":[{"type":"mobile","value":"900 00 001"}]`, notes: "TL09", strict: "noTarget",
		},
		{
			name: "TL03 Entra: string boolean inside the path", ops: `{"op":"Add","path":"roles[primary eq \"True\"].value","value":"ADMIN"}`,
			want: `"roles":[{"primary":true,"value":"ADMIN"}]`, notes: "TL03 TL09", strict: "invalidSyntax",
		},
		{
			name: "TL03 in the path of a present entry", before: `"roles":[{"value":"OLD","primary":true},{"value":"B"}]`, ops: `{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"NEW"}`,
			want: `"roles":[{"primary":true,"value":"NEW"},{"value":"B"}]`, notes: "TL03", strict: "invalidSyntax",
		},
		{name: "manager as text", ops: `{"op":"Add","path":"` + ent + `:manager","value":"m1"}`, want: `"` + ent + `":{"manager":{"value":"m1"}}`, notes: "TL05", strict: "invalidSyntax"},
		{name: "manager as object", ops: `{"op":"add","path":"` + ent + `:manager","value":{"value":"m1"}}`, want: `"` + ent + `":{"manager":{"value":"m1"}}`},
		{
			name: "manager as list", ops: `{"op":"Add","path":"` + ent + `:manager","value":[{"$ref":"https://x/Users/m1","value":"m1"}]}`,
			want: `"` + ent + `":{"manager":{"$ref":"https://x/Users/m1","value":"m1"}}`, notes: "TL05", strict: "invalidSyntax",
		},
		{name: "manager.value", ops: `{"op":"add","path":"` + ent + `:manager.value","value":"m1"}`, want: `"` + ent + `":{"manager":{"value":"m1"}}`},
		{name: "manager.value as object", ops: `{"op":"add","path":"` + ent + `:manager.value","value":{"value":"m1"}}`, want: `"` + ent + `":{"manager":{"value":"m1"}}`, notes: "TL05", strict: "invalidValue"},
		{
			name: "manager replaced: the old $ref goes", before: `"` + ent + `":{"manager":{"value":"m1","$ref":"https://x/Users/m1"}}`, ops: `{"op":"replace","path":"` + ent + `:manager","value":{"value":"m2"}}`,
			want: `"` + ent + `":{"manager":{"value":"m2"}}`,
		},
		{name: "TL10 manager empty text", before: `"` + ent + `":{"manager":{"value":"m1"}}`, ops: `{"op":"Replace","path":"` + ent + `:manager","value":""}`, want: `"` + ent + `":{"manager":null}`, notes: "TL10", strict: "invalidSyntax"},
		{name: "TL10 manager.value empty text", before: `"` + ent + `":{"manager":{"value":"m1"}}`, ops: `{"op":"Replace","path":"` + ent + `:manager.value","value":""}`, want: `"` + ent + `":{"manager":null}`, notes: "TL10", strict: "invalidSyntax"},
		{name: "manager removed", before: `"` + ent + `":{"manager":{"value":"m1"}}`, ops: `{"op":"remove","path":"` + ent + `:manager"}`, want: `"` + ent + `":{"manager":null}`},
		{name: "manager of an unknown id is kept", ops: `{"op":"add","path":"` + ent + `:manager","value":{"value":"nobody-yet"}}`, want: `"` + ent + `":{"manager":{"value":"nobody-yet"}}`},
		{name: "Entra: null title", before: `"title":"T"`, ops: `{"op":"Replace","path":"title","value":null}`, want: `"title":null`, notes: "TL01", strict: "invalidSyntax"},
		{name: "replace with null", before: `"title":"T"`, ops: `{"op":"replace","path":"title","value":null}`, want: `"title":null`},
		{name: "TL10 replace with empty text", before: `"title":"T"`, ops: `{"op":"replace","path":"title","value":""}`, want: `"title":null`, notes: "TL10", strict: "="},
		{name: "replace list with []", before: `"roles":[{"value":"R"}]`, ops: `{"op":"replace","path":"roles","value":[]}`, want: `"roles":null`},
		{name: "Okta OIN: path-less active", ops: `{"op":"replace","value":{"active":false}}`, want: `"active":false`},
		{name: "add without path appends to lists", before: `"roles":[{"value":"A"}]`, ops: `{"op":"add","value":{"roles":[{"value":"B"}],"title":"T"}}`, want: `"roles":[{"value":"A"},{"value":"B"}],"title":"T"`},
		{name: "add: same value and type again", before: `"roles":[{"value":"A","type":"x"}]`, ops: `{"op":"add","path":"roles","value":[{"value":"A","type":"x"}]}`, want: `=`},
		{
			name: "add: primary true clears the others", before: `"roles":[{"value":"A","primary":true}]`, ops: `{"op":"add","path":"roles","value":[{"value":"B","primary":true}]}`,
			want: `"roles":[{"primary":false,"value":"A"},{"primary":true,"value":"B"}]`,
		},
		{
			name: "add: primary moves to a present value", before: `"roles":[{"value":"A","primary":true},{"value":"B"}]`, ops: `{"op":"add","path":"roles","value":[{"value":"B","primary":true}]}`,
			want: `"roles":[{"primary":false,"value":"A"},{"primary":true,"value":"B"}]`,
		},
		{name: "add an address twice", before: `"addresses":[{"type":"work","locality":"Oslo"}]`, ops: `{"op":"add","path":"addresses","value":[{"type":"work","locality":"Oslo"}]}`, want: `=`},
		{
			name: "add plain values", before: `"` + roll + `":{"sharedNumbers":["+4722000000"]}`, ops: `{"op":"add","path":"` + roll + `:sharedNumbers","value":["+4722000000","+4722000001"]}`,
			want: `"` + roll + `":{"sharedNumbers":["+4722000000","+4722000001"]}`,
		},
		{
			name: "plain values by filter", before: `"` + roll + `":{"sharedNumbers":["+4722000000","+4722000001"]}`, ops: `{"op":"remove","path":"` + roll + `:sharedNumbers[value eq \"+4722000000\"]"}`,
			want: `"` + roll + `":{"sharedNumbers":["+4722000001"]}`,
		},
		{name: "DA07 complex keeps what is not named", before: `"name":{"givenName":"G","familyName":"F"}`, ops: `{"op":"replace","path":"name","value":{"givenName":"K"}}`, want: `"name":{"familyName":"F","givenName":"K"}`},
		{name: "DA07 list is replaced", before: `"roles":[{"value":"A"},{"value":"B"}]`, ops: `{"op":"replace","path":"roles","value":[{"value":"C"}]}`, want: `"roles":[{"value":"C"}]`},
		{name: "DA06 remove that matches nothing", before: `"roles":[{"value":"A"}]`, ops: `{"op":"remove","path":"roles[value eq \"X\"]"}`, want: `=`, notes: "DA06"},
		{name: "DA01 remove with a list of values", before: `"roles":[{"value":"A"},{"value":"B"}]`, ops: `{"op":"remove","path":"roles","value":[{"value":"A"}]}`, want: `"roles":[{"value":"B"}]`, notes: "DA01", strict: "invalidValue"},
		{name: "remove an entry", before: `"roles":[{"value":"A"},{"value":"B"}]`, ops: `{"op":"remove","path":"roles[value eq \"A\"]"}`, want: `"roles":[{"value":"B"}]`},
		{name: "remove the last entry", before: `"roles":[{"value":"A"}]`, ops: `{"op":"remove","path":"roles[value eq \"A\"]"}`, want: `"roles":null`},
		{name: "remove the value of an entry: the entry goes", before: `"roles":[{"value":"A","type":"x"},{"value":"B"}]`, ops: `{"op":"remove","path":"roles[type eq \"x\"].value"}`, want: `"roles":[{"value":"B"}]`},
		{name: "clear the value of an entry: the entry goes", before: `"roles":[{"value":"A","type":"x"},{"value":"B"}]`, ops: `{"op":"replace","path":"roles[type eq \"x\"].value","value":null}`, want: `"roles":[{"value":"B"}]`},
		{name: "remove what is not there", ops: `{"op":"remove","path":"nickName"}`, want: `"nickName":null`},
		{name: "remove a sub-attribute", before: `"name":{"givenName":"G","familyName":"F"}`, ops: `{"op":"remove","path":"name.givenName"}`, want: `"name":{"familyName":"F","givenName":null}`},
		{
			name: "sub-attribute after the whole was emptied", before: `"name":null`, ops: `{"op":"add","path":"name.givenName","value":"G"}`,
			want: `"name":{"familyName":null,"formatted":null,"givenName":"G","honorificPrefix":null,"honorificSuffix":null,"middleName":null}`,
		},
		{name: "TL08 whole URN as path", before: `"` + ent + `":{"division":"D"}`, ops: `{"op":"add","path":"` + ent + `","value":{"department":"X"}}`, want: `"` + ent + `":{"department":"X","division":"D"}`, notes: "TL08", strict: "invalidPath"},
		{name: "object under the core URN", ops: `{"op":"add","value":{"urn:ietf:params:scim:schemas:core:2.0:User":{"title":"T"}}}`, want: `"title":"T"`, notes: "TL08", strict: "invalidSyntax"},
		{name: "core URN as path", ops: `{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User","value":{"title":"T"}}`, want: `"title":"T"`, notes: "TL08", strict: "invalidPath"},
		{name: "object under the URN", ops: `{"op":"add","value":{"` + ent + `":{"department":"X","manager":{"value":"m"}}}}`, want: `"` + ent + `":{"department":"X","manager":{"value":"m"}}`},
		{name: "TL07 readOnly in an object", ops: `{"op":"replace","value":{"id":"x","groups":[],"meta":{},"schemas":[],"title":"T"}}`, want: `"title":"T"`, notes: "TL07"},
		{name: "TL12 unknown in an object", ops: `{"op":"replace","value":{"costCentre":"4","title":"T"}}`, want: `"title":"T"`, notes: "TL12", strict: "invalidSyntax"},
		{name: "TL12 unknown by path", ops: `{"op":"replace","path":"costCentre","value":"4"}`, want: `=`, notes: "TL12", strict: "invalidPath"},
		{name: "TL12 unknown sub-attribute by value path", ops: `{"op":"replace","path":"roles[type eq \"x\"].bogus","value":"4"}`, want: `=`, notes: "TL12", strict: "invalidPath"},
		{name: "password", ops: `{"op":"replace","path":"password","value":"secret"}`, want: `=`},
		{name: "TL14 several primaries", ops: `{"op":"replace","path":"roles","value":[{"value":"A","primary":true},{"value":"B","primary":true}]}`, want: `"roles":[{"primary":true,"value":"A"},{"primary":false,"value":"B"}]`, notes: "TL14", strict: "invalidValue"},
		{name: "MV03 several ops on one attribute, in order", ops: `{"op":"add","path":"title","value":"A"},{"op":"remove","path":"title"},{"op":"add","path":"title","value":"B"}`, want: `"title":"B"`},
		{
			name: "value path on several entries", before: `"roles":[{"value":"A","type":"x"},{"value":"B","type":"x"}]`, ops: `{"op":"replace","path":"roles[type eq \"x\"]","value":{"display":"d"}}`,
			want: `"roles":[{"display":"d","type":"x","value":"A"},{"display":"d","type":"x","value":"B"}]`,
		},
		{name: "MV04 primary True", ops: `{"op":"add","path":"roles","value":[{"value":"A","primary":"True"}]}`, want: `"roles":[{"primary":true,"value":"A"}]`, notes: "TL03", strict: "invalidValue"},
		{
			name: "plain value replaced by filter", before: `"` + roll + `":{"sharedNumbers":["+4722000000","+4722000001"]}`, ops: `{"op":"replace","path":"` + roll + `:sharedNumbers[value eq \"+4722000000\"]","value":"+4722000001"}`,
			want: `"` + roll + `":{"sharedNumbers":["+4722000001"]}`, strict: "=",
		},
		{
			name: "plain value that is not there", ops: `{"op":"add","path":"` + roll + `:sharedNumbers[value eq \"+4722000000\"]","value":"+4722000000"}`,
			want: `"` + roll + `":{"sharedNumbers":["+4722000000"]}`, notes: "TL09", strict: "noTarget",
		},
		{
			name: "TL09 with two equalities", ops: `{"op":"add","path":"phoneNumbers[type eq \"work\" and primary eq true].value","value":"1"}`,
			want: `"phoneNumbers":[{"primary":true,"type":"work","value":"1"}]`, notes: "TL09", strict: "noTarget",
		},
		{
			name: "TL09 with an object", ops: `{"op":"replace","path":"phoneNumbers[type eq \"work\"]","value":{"value":"1"}}`,
			want: `"phoneNumbers":[{"type":"work","value":"1"}]`, notes: "TL09", strict: "noTarget",
		},
		{name: "TL09 a mark alone creates nothing", ops: `{"op":"add","path":"phoneNumbers[type eq \"work\"].primary","value":true}`, want: `=`, strict: "noTarget"},
		{name: "clearing what does not match", ops: `{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":null}`, want: `=`},
		{name: "sub-attribute of a list of one", before: `"phoneNumbers":[{"type":"work","value":"1"}]`, ops: `{"op":"replace","path":"phoneNumbers.value","value":"2"}`, want: `"phoneNumbers":[{"type":"work","value":"2"}]`},
		{name: "sub-attribute of an absent list", ops: `{"op":"add","path":"phoneNumbers.value","value":"2"}`, want: `"phoneNumbers":[{"value":"2"}]`, notes: "TL09", strict: "noTarget"},
		{
			name: "a value path with a list of one", before: `"roles":[{"value":"A","type":"x"}]`, ops: `{"op":"replace","path":"roles[type eq \"x\"]","value":[{"value":"B"}]}`,
			want: `"roles":[{"type":"x","value":"B"}]`, notes: "TL05", strict: "invalidValue",
		},
		{name: "a value path with null", before: `"roles":[{"value":"A","type":"x"},{"value":"B"}]`, ops: `{"op":"replace","path":"roles[type eq \"x\"]","value":null}`, want: `"roles":[{"value":"B"}]`},
		{
			name: "an extension removed", before: `"` + ent + `":{"division":"D"}`, ops: `{"op":"remove","path":"` + ent + `"}`,
			want: `"` + ent + `":{"costCenter":null,"department":null,"division":null,"employeeNumber":null,"manager":null,"organization":null}`, notes: "TL08", strict: "invalidPath",
		},
		{name: "externalId", ops: `{"op":"replace","path":"externalId","value":"e2"}`, want: `"externalId":"e2"`},
	}
	for _, tt := range tests {
		for _, name := range ProfileNames() {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				body := `{"userName":"u@acme.com","emails":[{"type":"work","value":"u@acme.com"}]`
				if tt.before != "" {
					body += "," + tt.before
				}
				doc := document(t, body+"}")
				before := asJSON(doc)
				after, _, diff, notes, err := patchWith(doc, testUser, profile(t, name), envelope(tt.ops))
				if asJSON(doc) != before {
					t.Fatal("the input document was changed")
				}
				if name == "strict" && tt.strict != "" && tt.strict != "=" {
					wantError(t, err, 400, tt.strict, "")
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if name == "strict" && tt.strict == "=" {
					return
				}
				want := before
				if tt.want != "=" {
					want = asJSON(overlay(t, doc, tt.want))
				}
				if d := cmp.Diff(want, asJSON(after)); d != "" {
					t.Errorf("document (-want +got):\n%s", d)
				}
				if diff.Empty() != (asJSON(after) == before) {
					t.Errorf("diff %v does not tell whether something changed", diff)
				}
				for _, id := range strings.Fields(tt.notes) {
					if name != "strict" && notes.Count(id) == 0 {
						t.Errorf("%s was not noted: %v", id, notes)
					}
				}
				again, _, replay, _, err := patchWith(after, testUser, profile(t, name), envelope(tt.ops))
				if err != nil {
					t.Fatal(err)
				}
				if asJSON(again) != asJSON(after) {
					t.Errorf("replay changed %v", replay)
				}
			})
		}
	}
}

// overlay puts canonical members over a document.
func overlay(t *testing.T, doc Document, members string) Document {
	t.Helper()
	over, err := ParseDocument([]byte("{" + members + "}"))
	if err != nil {
		t.Fatal(err)
	}
	c := doc.clone()
	for k, v := range over {
		c[k] = v
	}
	return c
}

func TestPatchRefuses(t *testing.T) {
	tests := []struct {
		name, profile, ops, scimType, part string
	}{
		{"remove without path", "entra", `{"op":"remove"}`, "noTarget", "no path"},
		{"remove userName", "entra", `{"op":"remove","path":"userName"}`, "mutability", "required"},
		{"clear userName", "entra", `{"op":"replace","path":"userName","value":""}`, "mutability", "required"},
		{"blank userName", "entra", `{"op":"replace","path":"userName","value":"  "}`, "invalidValue", "required"},
		{"DA05 active null", "entra", `{"op":"replace","path":"active","value":null}`, "invalidValue", "DA05"},
		{"DA05 active empty", "entra", `{"op":"replace","path":"active","value":""}`, "invalidValue", "DA05"},
		{"DA05 active no", "entra", `{"op":"replace","path":"active","value":"no"}`, "invalidValue", "DA05"},
		{"DA05 remove active", "entra", `{"op":"remove","path":"active"}`, "invalidValue", "DA05"},
		{"DA05 active null in an object", "okta", `{"op":"replace","value":{"active":null}}`, "invalidValue", "DA05"},
		{"DA06 unreadable filter", "entra", `{"op":"remove","path":"roles[value eq]"}`, "invalidFilter", ""},
		{"DA06 filter without end", "entra", `{"op":"remove","path":"roles[value eq \"x\""}`, "invalidFilter", ""},
		{"readOnly by path", "entra", `{"op":"replace","path":"id","value":"x"}`, "mutability", "readOnly"},
		{"readOnly groups by path", "entra", `{"op":"add","path":"groups","value":[{"value":"g"}]}`, "mutability", "readOnly"},
		{"SX05 effectiveRole by path", "entra", `{"op":"add","path":"` + roll + `:effectiveRole","value":"Owner"}`, "mutability", "readOnly"},
		{"malformed path", "entra", `{"op":"add","path":"a b","value":"x"}`, "invalidPath", "malformed"},
		{"GD01 long path", "entra", `{"op":"add","path":"` + strings.Repeat("x", 300) + `","value":"x"}`, "invalidPath", "GD01"},
		{"GD01 long filter", "entra", `{"op":"remove","path":"roles[value eq \"` + strings.Repeat("x", 600) + `\"]"}`, "invalidPath", "GD01"},
		{"filter on a single", "entra", `{"op":"add","path":"name[givenName eq \"x\"]","value":"x"}`, "invalidFilter", ""},
		{"unknown op", "entra", `{"op":"move","path":"title","value":"x"}`, "invalidSyntax", "move"},
		{"no op", "entra", `{"path":"title","value":"x"}`, "invalidSyntax", "no op"},
		{"no value", "entra", `{"op":"add","path":"title"}`, "invalidValue", "no value"},
		{"value without path", "entra", `{"op":"add","value":"x"}`, "invalidValue", "object"},
		{"path no string", "entra", `{"op":"add","path":7,"value":"x"}`, "invalidPath", "string"},
		{"operation no object", "entra", `7`, "invalidSyntax", "object"},
		{"emails.value of two", "entra", `{"op":"add","path":"emails","value":[{"value":"b@acme.com"}]},{"op":"replace","path":"emails.value","value":"c@acme.com"}`, "invalidPath", "2 entries"},
		{"no e-mail is left", "entra", `{"op":"remove","path":"emails"},{"op":"replace","path":"userName","value":"u"}`, "invalidValue", "no e-mail"},
		{"a choice cannot be created", "entra", `{"op":"add","path":"phoneNumbers[type eq \"a\" or type eq \"b\"].value","value":"1"}`, "noTarget", "what to create"},
		{"GD06 list grows over 100", "entra", `{"op":"add","path":"roles","value":[` + manyRoles(0, 60) + `]},{"op":"add","path":"roles","value":[` + manyRoles(60, 101) + `]}`, "invalidValue", "GD06"},
		{"all or nothing", "entra", `{"op":"replace","path":"title","value":"T"},{"op":"replace","path":"active","value":"maybe"}`, "invalidValue", "DA05"},
		{"strict: add null", "strict", `{"op":"add","path":"title","value":null}`, "invalidValue", "TL10"},
	}
	doc := document(t, `{"userName":"u@acme.com","emails":[{"type":"work","value":"u@acme.com"}]}`)
	before := asJSON(doc)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after, _, _, _, err := patchWith(doc, testUser, profile(t, tt.profile), envelope(tt.ops))
			wantError(t, err, 400, tt.scimType, tt.part)
			if after != nil || asJSON(doc) != before {
				t.Error("something was applied")
			}
		})
	}
	t.Run("GD03", func(t *testing.T) {
		_, _, err := DecodePatch([]byte(envelope(strings.Repeat(`{"op":"remove","path":"title"},`, 100)+`{"op":"remove","path":"title"}`)), testUser, profile(t, "entra"))
		wantError(t, err, 413, "", "GD03")
	})
	for name, body := range map[string]string{
		"no Operations": `{` + msgOp + `}`, "Operations no list": `{` + msgOp + `,"Operations":{}}`, "text": `"x"`,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := DecodePatch([]byte(body), testUser, profile(t, "entra"))
			wantError(t, err, 400, "invalidSyntax", "")
		})
	}
}

func manyRoles(from, to int) string {
	list := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf(`{"value":"r%d"}`, i))
	}
	return strings.Join(list, ",")
}

// TestPatchShapes: the envelope in the forms that clients use.
func TestPatchShapes(t *testing.T) {
	const op = `{"op":"replace","path":"title","value":"T"}`
	shapes := map[string]struct {
		body   string
		strict bool
	}{
		"message":             {envelope(op), true},
		"lower case":          {`{` + msgOp + `,"operations":[` + op + `]}`, true},
		"no schemas":          {`{"Operations":[` + op + `]}`, false},
		"bare list":           {`[` + op + `]`, false},
		"bare operation":      {op, false},
		"upper case in op":    {envelope(`{"Op":"REPLACE","Path":"title","Value":"T"}`), false},
		"name, Okta's own op": {envelope(`{"op":"replace","path":"title","value":"T","name":"x"}`), false},
	}
	doc := document(t, `{"userName":"u@acme.com"}`)
	for name, shape := range shapes {
		for _, pn := range []string{"entra", "okta", "strict"} {
			after, _, _, _, err := patchWith(doc, testUser, profile(t, pn), shape.body)
			if want := pn != "strict" || shape.strict; (err == nil) != want {
				t.Errorf("%s under %s: error %v", name, pn, err)
			} else if want && after["title"] != "T" {
				t.Errorf("%s under %s: title %v", name, pn, after["title"])
			}
		}
	}
}

// TestPatchGroup is every Group PATCH of section 8.
func TestPatchGroup(t *testing.T) {
	tests := []struct {
		name, ops string
		want      MemberDelta
		display   string
		strict    string
	}{
		{name: "Entra: Add", ops: `{"op":"Add","path":"members","value":[{"$ref":null,"value":"u1"},{"$ref":null,"value":"u2"}]}`, want: MemberDelta{Add: []string{"u1", "u2"}}, strict: "invalidSyntax"},
		{name: "DA01 Entra default: Remove with a list", ops: `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}`, want: MemberDelta{Remove: []string{"u1"}}, strict: "invalidSyntax"},
		{name: "DA01 strict", ops: `{"op":"remove","path":"members","value":[{"value":"u1"}]}`, want: MemberDelta{Remove: []string{"u1"}}, strict: "invalidValue"},
		{name: "DA01 an empty list removes nobody", ops: `{"op":"remove","path":"members","value":[]}`, want: MemberDelta{}, strict: "invalidValue"},
		{name: "Entra flag: value path", ops: `{"op":"remove","path":"members[value eq \"u1\"]"}`, want: MemberDelta{Remove: []string{"u1"}}},
		{name: "value path, spaced and in capitals", ops: `{"op":"remove","path":"MEMBERS[ value Eq \"u1\" ]"}`, want: MemberDelta{Remove: []string{"u1"}}},
		{name: "value path, qualified", ops: `{"op":"remove","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq \"u1\"]"}`, want: MemberDelta{Remove: []string{"u1"}}},
		{name: "value path with or", ops: `{"op":"remove","path":"members[value eq \"u1\" or value eq \"u2\"]"}`, want: MemberDelta{Remove: []string{"u1", "u2"}}},
		{name: "value path of the value", ops: `{"op":"remove","path":"members[value eq \"u1\"].value"}`, want: MemberDelta{Remove: []string{"u1"}}},
		{name: "DA02 bare remove", ops: `{"op":"remove","path":"members"}`, want: MemberDelta{Reset: true}},
		{name: "DA02 replace with []", ops: `{"op":"replace","path":"members","value":[]}`, want: MemberDelta{Reset: true}},
		{name: "DA04 replace is done as said", ops: `{"op":"replace","path":"members","value":[{"value":"u3"}]}`, want: MemberDelta{Reset: true, Set: []string{"u3"}}},
		{name: "Okta: rename comes with the id", ops: `{"op":"replace","value":{"id":"g","displayName":"New"}}`, want: MemberDelta{}, display: "New"},
		{
			name: "Okta: remove and add", ops: `{"op":"remove","path":"members[value eq \"u1\"]"},{"op":"add","path":"members","value":[{"value":"u2","display":"u2@acme.com"}]}`,
			want: MemberDelta{Add: []string{"u2"}, Remove: []string{"u1"}},
		},
		{name: "path-less object with members", ops: `{"op":"add","value":{"members":[{"value":"u1"}],"displayName":"New"}}`, want: MemberDelta{Add: []string{"u1"}}, display: "New"},
		{name: "MV03 add and remove the same", ops: `{"op":"add","path":"members","value":[{"value":"u1"}]},{"op":"remove","path":"members[value eq \"u1\"]"}`, want: MemberDelta{Remove: []string{"u1"}}},
		{name: "remove and add the same", ops: `{"op":"remove","path":"members[value eq \"u1\"]"},{"op":"add","path":"members","value":[{"value":"u1"}]}`, want: MemberDelta{Add: []string{"u1"}}},
		{name: "add before a reset counts for nothing", ops: `{"op":"add","path":"members","value":[{"value":"u1"}]},{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"u2"}]}`, want: MemberDelta{Reset: true, Set: []string{"u2"}}},
		{name: "remove after a reset", ops: `{"op":"replace","path":"members","value":[{"value":"u1"},{"value":"u2"}]},{"op":"remove","path":"members[value eq \"u1\"]"}`, want: MemberDelta{Reset: true, Set: []string{"u2"}}},
		{name: "TL09 add by value path", ops: `{"op":"add","path":"members[value eq \"u1\"]","value":null}`, want: MemberDelta{Add: []string{"u1"}}, strict: "noTarget"},
		{name: "one object, bare text", ops: `{"op":"add","path":"members","value":{"value":"u1"}},{"op":"add","path":"members","value":["u2"]}`, want: MemberDelta{Add: []string{"u1", "u2"}}, strict: "invalidValue"},
	}
	for _, tt := range tests {
		for _, name := range ProfileNames() {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				doc := Document{"displayName": "Old"}
				after, got, diff, _, err := patchWith(doc, testGroup, profile(t, name), envelope(tt.ops))
				if name == "strict" && tt.strict != "" {
					wantError(t, err, 400, tt.strict, "")
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("members (-want +got):\n%s", d)
				}
				if got.Empty() != cmp.Equal(got, MemberDelta{}) {
					t.Errorf("empty is %v of %+v", got.Empty(), got)
				}
				want := "Old"
				if tt.display != "" {
					want = tt.display
				}
				if after.DisplayName() != want || diff.Changed("displayName") != (tt.display != "") || doc.DisplayName() != "Old" {
					t.Errorf("displayName %q, diff %v", after.DisplayName(), diff)
				}
			})
		}
	}
	for name, tt := range map[string]struct{ ops, scimType string }{
		"DA06 a filter that needs the list":  {`{"op":"remove","path":"members[display eq \"x\"]"}`, "invalidFilter"},
		"DA06 a filter that is not readable": {`{"op":"remove","path":"members[value eq \"x]"}`, "invalidFilter"},
		"DA06 an empty id":                   {`{"op":"remove","path":"members[value eq \"\"]"}`, "invalidFilter"},
		"immutable":                          {`{"op":"replace","path":"members[value eq \"u1\"].value","value":"u2"}`, "mutability"},
		"no filter":                          {`{"op":"remove","path":"members.value"}`, "invalidPath"},
		"no value":                           {`{"op":"add","path":"members","value":[{"display":"x"}]}`, "invalidValue"},
		"displayName is required":            {`{"op":"remove","path":"displayName"}`, "mutability"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, _, err := patchWith(Document{"displayName": "Old"}, testGroup, profile(t, "entra"), envelope(tt.ops))
			wantError(t, err, 400, tt.scimType, "")
		})
	}
}

// TestFastPathTwin: the short way to list[sub eq "x"] says what guard and
// parser say.
func TestFastPathTwin(t *testing.T) {
	fast := 0
	check := func(t interface{ Fatalf(string, ...any) }, path string, rt *ResourceType) {
		name, rest, _ := strings.Cut(path, "[")
		list, ok := rt.find(name)
		if !ok {
			return
		}
		sub, filter, ok := fastEntryPath(list, path, rest, FilterOptions{Lenient: true})
		if !ok {
			return
		}
		fast++
		want, err := ParsePath(path, rt, FilterOptions{Lenient: true})
		if err != nil {
			t.Fatalf("%s: the parser refuses: %v", path, err)
		}
		if sub != want.Sub || !cmp.Equal(filter, want.Filter) {
			t.Fatalf("%s: short way %v %v, parser %v %v", path, sub, filter, want.Sub, want.Filter)
		}
	}
	for _, name := range []string{"emails", "Roles", "addresses", "name", "members", roll + ":sharedNumbers", "urn:x:y"} {
		for _, sub := range []string{"type", "Value", "primary", "locality", "bogus"} {
			for _, op := range []string{" eq ", " Eq ", "  eq ", " co "} {
				for _, value := range []string{`"work"`, `""`, `"a]b"`, `"a\"b"`, "true", "1", `"True"`, `"\u00e5"`, `"å"`, "work"} {
					for _, tail := range []string{"]", "].value", "].Type", "].bogus", "]x", " ]", "]."} {
						check(t, name+"["+sub+op+value+tail, testUser)
						check(t, name+"["+sub+op+value+tail, testGroup)
					}
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, `members[value eq "`+rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "id")+`"]`, testGroup)
	})
	before := fast
	for _, path := range []string{`emails[type eq "work"].value`, `phoneNumbers[type eq "mobile"].value`} {
		check(t, path, testUser)
	}
	check(t, `members[value eq "0199f3a2-7c1e-7d60-9a53-2f6d0c1b8e44"]`, testGroup)
	if fast != before+3 {
		t.Errorf("the short way was taken %d times of 3", fast-before)
	}
}

// TestPatchThousandMembers: GD03 admits Okta's and Entra's one remove each, and
// they take less than a second.
func TestPatchThousandMembers(t *testing.T) {
	var ops []string
	for i := range 2000 {
		ops = append(ops, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"u%d\"]"}`, i))
	}
	before := cpuTime(t) // Others use the machine too.
	_, delta, _, _, err := patchWith(Document{"displayName": "n"}, testGroup, profile(t, "okta"), envelope(strings.Join(ops, ",")))
	if err != nil || len(delta.Remove) != 2000 {
		t.Fatalf("%d removed, error %v", len(delta.Remove), err)
	}
	if took := cpuTime(t) - before; took > time.Second*raceFactor {
		t.Errorf("took %v", took)
	}
	_, _, err = DecodePatch([]byte(envelope(strings.Join(append(ops, ops[0]), ","))), testGroup, profile(t, "okta"))
	wantError(t, err, 413, "", "GD03")
}

// operations draws PATCH operations that mostly make sense.
func operations(t *rapid.T) string {
	choices := []string{
		`{"op":"Replace","path":"active","value":"%[1]s"}`,
		`{"op":"replace","path":"title","value":"%[2]s"}`,
		`{"op":"remove","path":"title"}`,
		`{"op":"add","path":"roles","value":[{"value":"%[2]s","primary":"%[1]s"}]}`,
		`{"op":"replace","path":"roles","value":[{"value":"%[2]s","type":"x"},{"value":"z"}]}`,
		`{"op":"remove","path":"roles[value eq \"%[2]s\"]"}`,
		`{"op":"remove","path":"roles","value":[{"value":"%[2]s"}]}`,
		`{"op":"add","path":"phoneNumbers[type eq \"%[2]s\"].value","value":"%[3]s"}`,
		`{"op":"replace","path":"phoneNumbers[type eq \"%[2]s\"].value","value":null}`,
		`{"op":"replace","path":"phoneNumbers[type eq \"%[2]s\"]","value":{"value":"%[3]s","primary":true}}`,
		`{"op":"replace","value":{"name.givenName":"%[2]s","` + ent + `:department":"%[3]s","name":{"familyName":null}}}`,
		`{"op":"add","path":"` + ent + `:manager","value":"%[2]s"}`,
		`{"op":"replace","path":"` + ent + `:manager","value":""}`,
		`{"op":"replace","path":"` + ent + `","value":null}`,
		`{"op":"add","value":{"` + roll + `":{"sharedNumbers":["%[3]s"],"role":"admin"}}}`,
		`{"op":"replace","path":"name","value":null}`,
		`{"op":"add","path":"name.givenName","value":"%[3]s"}`,
		`{"op":"add","path":"addresses","value":[{"type":"work","locality":"%[2]s","primary":true}]}`,
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"%[2]s@acme.com"}`,
	}
	var list []string
	for range rapid.IntRange(1, 4).Draw(t, "n") {
		list = append(list, strings.NewReplacer(
			"%[1]s", rapid.SampledFrom([]string{"True", "false"}).Draw(t, "bool"),
			"%[2]s", rapid.SampledFrom([]string{"a", "b", "work"}).Draw(t, "a"),
			"%[3]s", rapid.SampledFrom([]string{"1", "2"}).Draw(t, "b"),
		).Replace(rapid.SampledFrom(choices).Draw(t, "op")))
	}
	return envelope(strings.Join(list, ","))
}

// TestPatchReplay: each single operation, applied again, is a noop; the input
// stays untouched; the result can be stored, read and put back.
func TestPatchReplay(t *testing.T) {
	p := profile(t, "entra")
	rapid.Check(t, func(rt *rapid.T) {
		doc := document(t, entraUser)
		for range rapid.IntRange(1, 5).Draw(rt, "patches") {
			ops, _, err := DecodePatch([]byte(operations(rt)), testUser, p)
			if err != nil {
				rt.Fatal(err)
			}
			for _, op := range ops {
				before := asJSON(doc)
				once, diff, _, err := Patch(doc, []Operation{op}, testUser, p)
				if asJSON(doc) != before {
					rt.Fatal("the input was changed")
				}
				if err != nil {
					var e *Error
					if !errors.As(err, &e) {
						rt.Fatal(err)
					}
					continue
				}
				if diff.Empty() != (asJSON(once) == before) {
					rt.Fatalf("diff %v, before %s, after %s", diff, before, asJSON(once))
				}
				twice, replay, _, err := Patch(once, []Operation{op}, testUser, p)
				if err != nil || !replay.Empty() || asJSON(twice) != asJSON(once) {
					rt.Fatalf("replay of %+v: %v %v\n%s\n%s", op, replay, err, asJSON(once), asJSON(twice))
				}
				checkRoundTrip(rt, once, p)
				doc = once
			}
		}
	})
}

// checkRoundTrip: PUT of what was read changes nothing.
func checkRoundTrip(t interface{ Fatalf(string, ...any) }, doc Document, p Profile) {
	body, err := AppendResource(nil, &Resource{Type: testUser, ID: "1", Document: doc, Full: true}, Projection{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	back, err := Decode(body, testUser, p)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	after, unknown, diff := Put(doc, back.Document, testUser)
	if !diff.Empty() || len(unknown) > 0 {
		t.Fatalf("PUT of what was read: %v %v\nstored %s\nread %s\nafter %s", diff, unknown, asJSON(doc), body, asJSON(after))
	}
}

func FuzzPatchBody(f *testing.F) {
	f.Add([]byte(envelope(`{"op":"Replace","path":"active","value":"False"}`)))
	f.Add([]byte(`[{"op":"remove","path":"members[value eq \"u1\"]"},{"op":"add","path":"members","value":[{"value":"u2","display":"u2@acme.com"}]}]`))
	f.Add([]byte(envelope(`{"op":"replace","value":{"displayName":"B","name.givenName":"K","` + ent + `:employeeNumber":"7"}}`)))
	f.Add([]byte(envelope(`{"op":"Add","path":"roles[primary eq \"True\"].value","value":"ADMIN"}`)))
	f.Add([]byte(envelope(`{"op":"replace","path":"` + ent + `","value":{"manager":""}}`)))
	p := profile(f, "entra")
	f.Fuzz(func(t *testing.T, body []byte) {
		doc := document(t, entraUser)
		before := asJSON(doc)
		after, _, diff, _, err := patchWith(doc, testUser, p, string(body))
		if asJSON(doc) != before {
			t.Fatal("the input was changed")
		}
		if err == nil {
			if diff.Empty() != (asJSON(after) == before) {
				t.Fatalf("diff %v, after %s", diff, asJSON(after))
			}
			if diff.Visible() {
				checkRoundTrip(t, after, p)
			}
		} else if e := (*Error)(nil); !errors.As(err, &e) || e.Status != 400 && e.Status != 413 {
			t.Fatalf("unexpected error %v", err)
		}
		if _, _, _, _, err := patchWith(Document{"displayName": "n"}, testGroup, p, string(body)); err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Status != 400 && e.Status != 413 {
				t.Fatalf("unexpected error %v", err)
			}
		}
	})
}

func BenchmarkPatch(b *testing.B) {
	p := profile(b, "entra")
	doc := document(b, entraUser)
	for name, ops := range map[string]string{
		"active":    `{"op":"Replace","path":"active","value":"False"}`,
		"valuepath": `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"n@acme.com"}`,
		"object":    `{"op":"replace","value":{"displayName":"B","name.givenName":"K","` + ent + `:employeeNumber":"7"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			body := []byte(envelope(ops))
			b.ReportAllocs()
			for b.Loop() {
				list, _, err := DecodePatch(body, testUser, p)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, _, err = Patch(doc, list, testUser, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
