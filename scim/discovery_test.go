package scim

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const testBase = "https://phone.acme.com/scim/v2"

// testTypes are all resource types, with only some inputs read by the mapping.
func testTypes() []*ResourceType {
	reads := func(input string) bool { return input == "rollcall.role" || input == "rollcall.site" }
	return []*ResourceType{NewUserType(reads), NewGroupType(reads), NewNumberType(), NewRoleType(URNRollcallRole)}
}

// golden compares JSON, indented for people, with a file.
func golden(t *testing.T, name string, body []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, body, "", " "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	file := filepath.Join("testdata", "discovery", name+".json")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
	for _, bad := range []string{"null", `""`} {
		if bytes.Contains(body, []byte(bad)) {
			t.Errorf("%s contains %s", name, bad)
		}
	}
}

// TestDiscovery holds the bodies of section 4.11 (LB17).
func TestDiscovery(t *testing.T) {
	c := DefaultCapabilities()
	body, err := ServiceProviderConfig(testBase, c)
	golden(t, "service-provider-config", body, err)
	body, err = ResourceTypesBody(testBase, testTypes())
	golden(t, "resource-types", body, err)
	body, err = SchemasBody(testBase, testTypes(), c)
	golden(t, "schemas", body, err)
	body, ok, err := ResourceTypeBody(testBase, testTypes(), "user")
	if !ok || err != nil || !bytes.Contains(body, []byte(testBase+"/ResourceTypes/User")) {
		t.Errorf("resource type user: %v %v %s", ok, err, body)
	}
	body, ok, err = SchemaBody(testBase, testTypes(), strings.ToUpper(URNRollcallUser), c)
	if !ok || err != nil || !bytes.Contains(body, []byte(testBase+"/Schemas/"+URNRollcallUser)) {
		t.Errorf("schema: %v %v %s", ok, err, body)
	}
	if _, ok, _ := SchemaBody(testBase, testTypes(), "urn:x", c); ok {
		t.Error("an unknown schema was found")
	}
	if _, ok, _ := ResourceTypeBody(testBase, testTypes(), "x"); ok {
		t.Error("an unknown resource type was found")
	}
}

// TestDiscoveryLater: flags of later releases appear as they are set.
func TestDiscoveryLater(t *testing.T) {
	c := DefaultCapabilities()
	c.Bulk, c.BulkOperations, c.BulkPayload, c.Sort = true, 1000, 4194304, true
	c.CursorPaging, c.CursorSeconds, c.ClientCredentials = true, 3600, true
	c.EventURIs = []string{"urn:ietf:params:scim:event:prov:deactivate"}
	body, err := ServiceProviderConfig(testBase, c)
	golden(t, "service-provider-config-all", body, err)
}

// TestHiddenAttributes: left out of /Schemas, listed by strict; never the
// password (MV04).
func TestHiddenAttributes(t *testing.T) {
	c := DefaultCapabilities()
	plain, err := SchemasBody(testBase, testTypes(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.ListHidden = true
	all, err := SchemasBody(testBase, testTypes(), c)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(all, []byte("password")) || bytes.Count(all, []byte(`"$ref"`)) != bytes.Count(plain, []byte(`"$ref"`))+1 {
		t.Error("strict lists members.$ref, and no password")
	}
}

// TestTables: the tables are sound, and the check finds what is not (LB18).
func TestTables(t *testing.T) {
	for _, rt := range append(testTypes(), testUser, testGroup, NewRoleType(URNOktaRole)) {
		if err := rt.Check(); err != nil {
			t.Errorf("%s: %v", rt.Name, err)
		}
	}
	text := Attribute{Name: "a"}
	for name, core := range map[string][]Attribute{
		"twice":                     {text, {Name: "A"}},
		"top attribute $ref":        {{Name: "$ref"}},
		"bad name":                  {{Name: "1a"}},
		"complex without subs":      {{Name: "a", Type: TypeComplex}},
		"subs without complex":      {{Name: "a", Sub: []Attribute{text}}},
		"complex in complex":        {{Name: "a", Type: TypeComplex, Sub: []Attribute{{Name: "b", Type: TypeComplex, Sub: []Attribute{text}}}}},
		"common attribute in table": {{Name: "externalId"}},
	} {
		rt := &ResourceType{Name: "X", Endpoint: "/X", Core: &Schema{ID: "urn:x", Attributes: core}}
		if rt.Check() == nil {
			t.Errorf("%s: not found", name)
		}
	}
	if (&ResourceType{}).Check() == nil || (&ResourceType{Name: "X", Endpoint: "/X", Core: &Schema{ID: "x"}}).Check() == nil {
		t.Error("a type without core, or a core without URN, was taken")
	}
}

// TestExtensionSchemas: attributes that a mapping names by URN.
func TestExtensionSchemas(t *testing.T) {
	schemas, err := ExtensionSchemas([]string{"urn:acme:scim:User:phoneSite", "URN:acme:scim:User:floor", "urn:acme:other:x"})
	if err != nil || len(schemas) != 2 || len(schemas[0].Attributes) != 2 {
		t.Fatalf("got %v, %v", schemas, err)
	}
	rt := NewUserType(nil, schemas...)
	if err := rt.Check(); err != nil {
		t.Fatal(err)
	}
	got, err := Decode([]byte(`{"userName":"u@acme.com","urn:acme:scim:user":{"phonesite":"Oslo"}}`), rt, profile(t, "okta"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"Oslo"}, got.Document.Attributes(rt)["urn:acme:scim:User:phoneSite"]); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"phoneSite", "urn:acme:", "urn:acme:a b"} {
		if _, err := ExtensionSchemas([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestLibraryAgrees: the library, built from the same tables, takes what our
// decoder makes, under a profile that may not drop anything.
func TestLibraryAgrees(t *testing.T) {
	core, enterprise := LibrarySchema(testUser.Core, true), LibrarySchema(enterpriseUserSchema(), true)
	got, err := Decode([]byte(`{"schemas":["`+URNUser+`"],"userName":"u@acme.com","active":true,"name":{"givenName":"G"},"emails":[{"value":"u@acme.com","primary":true}],
		"x509Certificates":[{"value":"AAAA"}],"photos":[{"value":"https://x/p"}],"`+ent+`":{"department":"D","manager":{"value":"m"}}}`), testUser, profile(t, "strict"))
	if err != nil {
		t.Fatal(err)
	}
	ext := got.Document[ent].(map[string]any)
	valid, scimErr := core.Validate(map[string]any(got.Document))
	if scimErr != nil {
		t.Fatal(scimErr)
	}
	delete(got.Document, ent)
	if d := cmp.Diff(map[string]any(got.Document), valid); d != "" {
		t.Errorf("core (-ours +library):\n%s", d)
	}
	if valid, scimErr = enterprise.Validate(ext); scimErr != nil {
		t.Fatal(scimErr)
	}
	if d := cmp.Diff(ext, valid); d != "" {
		t.Errorf("enterprise (-ours +library):\n%s", d)
	}
}

// TestProfiles is the table of section 9.
func TestProfiles(t *testing.T) {
	if d := cmp.Diff([]string{"entra", "okta", "onelogin", "jumpcloud", "ping", "rippling", "google", "strict"}, ProfileNames()); d != "" {
		t.Error(d)
	}
	for _, name := range ProfileNames() {
		p := profile(t, name)
		for tl := TL01; tl <= TL15; tl++ {
			want := name != "strict" && (tl != TL13 || name == "onelogin" || name == "jumpcloud")
			if p.Tolerate.Has(tl) != want {
				t.Errorf("%s: %s is %v", name, tl, !want)
			}
		}
		if p.Strict != (name == "strict") || p.OktaRoles != (name == "okta") || p.ListMembers != (name != "ping") || (p.Quiet > 0) != (name == "jumpcloud") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if _, ok := LookupProfile("x"); ok {
		t.Error("profile x exists")
	}
	var n Notes
	for i := range 200 {
		n.add("TL12", strings.Repeat("x", i))
	}
	if len(n) != maxNotes {
		t.Errorf("%d notes are kept", len(n))
	}
}
