package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 11, 21, 10, 0, 0, 412e6, time.UTC)

// fullUser is a resource with everything that a User can show.
func fullUser(t testing.TB) *Resource {
	doc := document(t, entraUser)
	doc["nickName"] = nil
	doc[URNRollcallUser] = map[string]any{"role": "Admin", "site": "Oslo"}
	return &Resource{
		Type: testUser, ID: "0199f3a2", Document: doc,
		Meta:   Meta{Created: day, LastModified: day.Add(time.Hour), Location: "https://x/scim/v2/Users/0199f3a2", Version: 7},
		Groups: []GroupOf{{ID: "g1", Display: "Sales"}, {ID: "g2", Indirect: true}},
		Effective: &Effective{
			Role: "Member", RoleSource: "rule r-member", State: "active", MemberID: "m1", LastActive: day,
			Numbers: []NumberAssignment{{Number: "+4722000000", Access: "shared", RingPosition: 2, Source: "rule n-desk"}},
			Holds:   []HeldWish{{ID: "H-115", Attribute: "role", Wanted: "Admin", Rule: "P.approve", Since: day, Remedy: "An Admin or Owner approves H-115"}},
		},
	}
}

func render(t testing.TB, res *Resource, p Projection) string {
	t.Helper()
	b, err := AppendResource(nil, res, p)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) {
		t.Fatalf("no JSON: %s", b)
	}
	return string(b)
}

func TestRenderUser(t *testing.T) {
	res := fullUser(t)
	before := asJSON(res.Document)
	got := render(t, res, Projection{})
	want := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + ent + `","` + roll + `"],"id":"0199f3a2","externalId":"0a21","userName":"u@acme.com",` +
		`"name":{"formatted":"G F","familyName":"F","givenName":"G"},"displayName":"Uma Foss","title":"Engineer","active":true,` +
		`"emails":[{"value":"u@acme.com","type":"work","primary":true}],"phoneNumbers":[{"value":"22 00 00 01","type":"work"},{"value":"+47 900 00 001","type":"mobile"}],` +
		`"addresses":[{"formatted":"Tower 1","locality":"Oslo","country":"NO","type":"work"}],"groups":[{"value":"g1","display":"Sales","type":"direct"},{"value":"g2","type":"indirect"}],` +
		`"` + ent + `":{"employeeNumber":"7","department":"Sales","manager":{"value":"m1"}},` +
		`"` + roll + `":{"role":"Member","site":"Oslo","effectiveRole":"Member","roleSource":"rule r-member","state":"active",` +
		`"numberAssignments":[{"number":"+4722000000","access":"shared","owner":false,"ringPosition":2,"source":"rule n-desk"}],` +
		`"holds":[{"id":"H-115","attribute":"role","wanted":"Admin","rule":"P.approve","since":"2026-11-21T10:00:00.412Z","remedy":"An Admin or Owner approves H-115"}]},` +
		`"meta":{"resourceType":"User","created":"2026-11-21T10:00:00.412Z","lastModified":"2026-11-21T11:00:00.412Z","location":"https://x/scim/v2/Users/0199f3a2","version":"W/\"7\""}}`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("body (-want +got):\n%s", d)
	}
	if asJSON(res.Document) != before {
		t.Error("LB15: rendering changed the document")
	}
	if strings.Contains(got, "null") || strings.Contains(got, `:""`) {
		t.Error("a body has no null and no empty text")
	}
}

// TestRenderRole: the wish is shown only if stated, as what is in force; an
// Owner's is not, since it could not be sent back (M13).
func TestRenderRole(t *testing.T) {
	tests := []struct {
		name, stated, force string
		core                bool
		want                []string
		never               []string
	}{
		{"held wish", "Admin", "Member", false, []string{`"role":"Member"`}, nil},
		{"not stated", "", "Member", false, []string{`"effectiveRole":"Member"`}, []string{`"role":`}},
		{"nothing in force yet", "Admin", "", false, []string{`"role":"Admin"`}, []string{"effectiveRole"}},
		{"an Owner", "Admin", "Owner", false, []string{`"effectiveRole":"Owner"`}, []string{`"role":`}},
		{"okta's core roles", "", "Admin", true, []string{`"roles":[{"value":"Admin","primary":true}]`}, []string{`"role":`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := Document{"userName": "u@acme.com"}
			if tt.stated != "" {
				doc[URNRollcallUser] = map[string]any{"role": tt.stated}
			}
			got := render(t, &Resource{Type: testUser, ID: "1", Document: doc, Effective: &Effective{Role: tt.force, CoreRole: tt.core}}, Projection{})
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("%s is missing in %s", part, got)
				}
			}
			for _, part := range tt.never {
				if strings.Contains(got, part) {
					t.Errorf("%s stands in %s", part, got)
				}
			}
		})
	}
}

// TestProjection is section 4.7 as a table.
func TestProjection(t *testing.T) {
	const head = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"0199f3a2"`
	headWith := func(urn string) string { return strings.Replace(head, `:User"]`, `:User","`+urn+`"]`, 1) }
	tests := []struct{ attributes, excluded, want string }{
		{"userName", "", head + `,"userName":"u@acme.com"}`},
		{"USERNAME, ,bogus,", "", head + `,"userName":"u@acme.com"}`},
		{"bogus", "", head + `}`},
		{"id", "", head + `}`},
		{"name.givenName", "", head + `,"name":{"givenName":"G"}}`},
		{"name,name.givenName", "", head + `,"name":{"formatted":"G F","familyName":"F","givenName":"G"}}`},
		{"emails.value,externalId", "", head + `,"externalId":"0a21","emails":[{"value":"u@acme.com"}]}`},
		{"urn:ietf:params:scim:schemas:core:2.0:User:title", "", head + `,"title":"Engineer"}`},
		{ent + ":department", "", headWith(ent) + `,"` + ent + `":{"department":"Sales"}}`},
		{ent, "", headWith(ent) + `,"` + ent + `":{"employeeNumber":"7","department":"Sales","manager":{"value":"m1"}}}`},
		{ent + ":manager.value", "", headWith(ent) + `,"` + ent + `":{"manager":{"value":"m1"}}}`},
		{roll + ":memberId", "", headWith(roll) + `,"` + roll + `":{"memberId":"m1"}}`},
		{roll + ":holds.id", "", headWith(roll) + `,"` + roll + `":{"holds":[{"id":"H-115"}]}}`},
		{"meta.version", "", head + `,"meta":{"version":"W/\"7\""}}`},
		{"groups.value", "", head + `,"groups":[{"value":"g1"},{"value":"g2"}]}`},
		{"password", "", head + `}`},
		{"", "id,schemas,externalId,name,displayName,title,emails,phoneNumbers,addresses,groups,meta,active," + ent + "," + roll, head + `,"userName":"u@acme.com"}`},
		{
			"", "externalId,name.formatted,name.familyName,displayName,title,emails.type,emails.primary,phoneNumbers,addresses,groups,meta,active," + ent + "," + roll,
			head + `,"userName":"u@acme.com","name":{"givenName":"G"},"emails":[{"value":"u@acme.com"}]}`,
		},
	}
	for _, tt := range tests {
		p, err := ParseProjection(tt.attributes, tt.excluded, testUser)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, render(t, fullUser(t), p)); d != "" {
			t.Errorf("attributes=%s excludedAttributes=%s (-want +got):\n%s", tt.attributes, tt.excluded, d)
		}
	}
	_, err := ParseProjection("userName", "title", testUser)
	wantError(t, err, 400, "invalidValue", "together")
	_, err = ParseProjection(strings.Repeat("a,", 300), "", testUser)
	wantError(t, err, 400, "invalidValue", "more than")
	if p, err := ParseProjection("userName", "", testUser); err != nil || !p.Shows(testUser, "id") || p.Shows(testUser, "password") || p.Shows(testUser, "bogus") {
		t.Errorf("id is always returned, password never: %v", err)
	}
	for _, tt := range []struct {
		attributes, excluded string
		want                 bool
	}{{"", "members", false}, {"", "", true}, {"displayName", "", false}, {"members.value", "", true}} {
		p, err := ParseProjection(tt.attributes, tt.excluded, testGroup)
		if err != nil || p.Shows(testGroup, "members") != tt.want {
			t.Errorf("%+v: members shown is not %v, error %v", tt, tt.want, err)
		}
	}
}

// members streams n members, then fails if failure is not nil.
func members(n int, failure error) iter.Seq2[MemberOf, error] {
	return func(yield func(MemberOf, error) bool) {
		for range n {
			if !yield(MemberOf{ID: "u1", Display: "Ann", Type: "User", Location: "https://x/Users/u1"}, nil) {
				return
			}
		}
		if failure != nil {
			yield(MemberOf{}, failure)
		}
	}
}

func TestRenderGroup(t *testing.T) {
	res := &Resource{Type: testGroup, ID: "g", Document: Document{"displayName": "n"}, Members: members(1, nil), Effective: &Effective{Kind: "ring"}}
	want := `{"schemas":["` + URNGroup + `","` + URNRollcallGroup + `"],"id":"g","displayName":"n","members":[{"value":"u1","type":"User","display":"Ann"}],"` + URNRollcallGroup + `":{"kind":"ring"},"meta":{"resourceType":"Group"}}`
	if d := cmp.Diff(want, render(t, res, Projection{})); d != "" {
		t.Errorf("group (-want +got):\n%s", d)
	}
	res.Full = true
	if got := render(t, res, Projection{}); !strings.Contains(got, `"$ref":"https://x/Users/u1"`) {
		t.Errorf("strict returns members.$ref: %s", got)
	}
	res.Members = members(0, nil)
	if got := render(t, res, Projection{}); strings.Contains(got, "members") {
		t.Errorf("no members, yet %s", got)
	}
	res.Members = func(func(MemberOf, error) bool) { t.Error("members were read") }
	without, err := ParseProjection("", "members", testGroup)
	if err != nil {
		t.Fatal(err)
	}
	render(t, res, without)
	failure := errors.New("store away")
	res.Members = members(3, failure)
	if _, err := AppendResource(nil, res, Projection{}); !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
}

// resources streams r n times, then fails if failure is not nil.
func resources(r *Resource, n int, failure error) iter.Seq2[*Resource, error] {
	return func(yield func(*Resource, error) bool) {
		for range n {
			if !yield(r, nil) {
				return
			}
		}
		if failure != nil {
			yield(nil, failure)
		}
	}
}

// wholeDefault shows the default of every resource.
func wholeDefault(*Resource) Projection { return Projection{} }

func TestWriteList(t *testing.T) {
	one := &Resource{Type: testUser, ID: "1", Document: Document{"userName": "u@acme.com"}}
	failure := errors.New("store away")
	var b bytes.Buffer
	if _, err := WriteList(&b, ListHead{Start: 1}, resources(one, 0, nil), wholeDefault); err != nil {
		t.Fatal(err)
	}
	if want := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"Resources":[],"itemsPerPage":0}`; b.String() != want {
		t.Errorf("empty list: %s", b.String())
	}
	b.Reset()
	if _, err := WriteList(&b, ListHead{Total: 1500, Start: 3}, resources(one, 1000, nil), wholeDefault); err != nil {
		t.Fatal(err)
	}
	var list struct {
		TotalResults, StartIndex, ItemsPerPage int
		Resources                              []map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &list); err != nil || list.TotalResults != 1500 || list.StartIndex != 3 || list.ItemsPerPage != 1000 || len(list.Resources) != 1000 {
		t.Errorf("list of 1,000: %v %d %d", err, list.ItemsPerPage, len(list.Resources))
	}
	b.Reset()
	if written, err := WriteList(&b, ListHead{Total: 1, Start: 1}, resources(one, 2, failure), wholeDefault); !errors.Is(err, failure) || written || b.Len() > 0 {
		t.Errorf("early failure: written %v, %d bytes, %v", written, b.Len(), err)
	}
	if written, err := WriteList(&b, ListHead{Total: 1, Start: 1}, resources(one, 2000, failure), wholeDefault); !errors.Is(err, failure) || !written {
		t.Errorf("late failure: written %v, %v", written, err)
	}
	b.Reset()
	big := &Resource{Type: testGroup, ID: "g", Document: Document{"displayName": "n"}, Members: members(20000, nil)}
	if _, err := WriteList(&b, ListHead{Total: 2, Start: 1}, resources(big, 2, nil), wholeDefault); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("large groups: %v", err)
	}
	if _, err := WriteList(brokenPipe{}, ListHead{Total: 2, Start: 1}, resources(big, 2, nil), wholeDefault); !errors.Is(err, errPipe) {
		t.Errorf("a writer that fails: %v", err)
	}
}

var errPipe = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

// TestAppendString: what is written is read back, by the standard library too.
func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", "å😀", "\"\\/\b\f\n\r\t\x1f\x7f", "<b>&\u2028\u2029\u2027"} {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != s {
			t.Errorf("%q became %q, %v", s, got, err)
		}
	}
}

func BenchmarkRenderUser(b *testing.B) {
	res := fullUser(b)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = AppendResource(buf[:0], res, Projection{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStoredDocument(b *testing.B) {
	stored := AppendStored(nil, document(b, entraUser))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseDocument(stored); err != nil {
			b.Fatal(err)
		}
	}
}
