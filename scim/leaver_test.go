package scim

import "testing"

// TestLeaving is VW11: what ends access counts, whatever stands beside it.
func TestLeaving(t *testing.T) {
	tests := []struct {
		name, ops string
		want      bool
	}{
		{"Entra default", `{"op":"Replace","path":"active","value":"False"}`, true},
		{"Entra flag", `{"op":"replace","path":"active","value":false}`, true},
		{"Okta", `{"op":"replace","value":{"active":false}}`, true},
		{"by URN", `{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:ACTIVE","value":false}`, true},
		{"beside an invalid operation", `{"op":"replace","path":"userName","value":null},{"op":"replace","path":"active","value":false}`, true},
		{"and back", `{"op":"replace","path":"active","value":false},{"op":"replace","path":"active","value":true}`, false},
		{"restore", `{"op":"Replace","path":"active","value":"True"}`, false},
		{"DA05 null", `{"op":"replace","path":"active","value":null}`, false},
		{"DA05 no", `{"op":"replace","path":"active","value":"no"}`, false},
		{"DA05 remove", `{"op":"remove","path":"active"}`, false},
		{"something else", `{"op":"replace","path":"title","value":"False"}`, false},
	}
	doc := document(t, entraUser)
	p := profile(t, "entra")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ops, _, err := DecodePatch([]byte(envelope(tt.ops)), testUser, p)
			if err != nil {
				t.Fatal(err)
			}
			only, got := Leaving(ops, testUser, p)
			if got != tt.want {
				t.Fatalf("leaving is %v", got)
			}
			if !got {
				return
			}
			after, diff, _, err := Patch(doc, only, testUser, p)
			if err != nil || after.Active() || len(diff.Changes) != 1 {
				t.Errorf("active %v, diff %v, error %v", after.Active(), diff, err)
			}
		})
	}
	for body, want := range map[string]bool{
		`{"userName":"u","active":false}`: true, `{"active":"False","bogus":{"a":[1]}}`: true, `{"active":true}`: false, `{"userName":"u"}`: false, `{"active":null}`: false, `[`: false,
	} {
		if LeavingBody([]byte(body), testUser, p) != want {
			t.Errorf("%s: leaving is %v", body, !want)
		}
	}
	if LeavingBody([]byte(`{"active":false}`), testGroup, p) {
		t.Error("a Group leaves")
	}
}
