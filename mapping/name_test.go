package mapping

import (
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// TestName: a name that nobody states is unknown and takes none away (I14); one
// that was stated empty is replaced by the user name.
func TestName(t *testing.T) {
	t.Parallel()
	rules, err := Load([]byte("version: 1\nroles:\n  - {id: r-member, role: member}\n"), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, kept string // what the identity keeps beside its attributes
		attributes workspace.Attributes
		want       string
	}{
		{"display name", "Ann Lee", workspace.Attributes{"displayName": {"Ann Lee"}}, "Ann Lee"},
		{"display name kept beside", "Ann Lee", nil, "Ann Lee"},
		{"its parts", "ann@acme.com", workspace.Attributes{"givenName": {"Ann"}, "familyName": {"Lee"}}, "Ann Lee"},
		{"one part", "ann@acme.com", workspace.Attributes{"givenName": {"Ann"}}, "Ann"},
		{"not stated", "ann@acme.com", nil, ""},
		{"not stated, nothing kept", "", nil, ""},
		{"stated empty", "ann@acme.com", workspace.Attributes{"displayName": {}}, "ann@acme.com"},
		{"stated as the user name", "ann@acme.com", workspace.Attributes{"displayName": {"ann@acme.com"}}, "ann@acme.com"},
	} {
		id := workspace.Identity{ID: "i1", Connection: "okta", UserName: "ann@acme.com", Name: tt.kept, Active: true, Attributes: tt.attributes}
		person := Person{Identities: []workspace.Identity{id}}
		got, err := rules.Want(person, Facts{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Name, tt.want)
		}
	}
}
