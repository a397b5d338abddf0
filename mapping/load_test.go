package mapping

import (
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

func TestDefaultMakesActivePeopleMembers(t *testing.T) {
	for _, active := range []bool{true, false} {
		p := Person{Identities: []workspace.Identity{{ID: "i1", Connection: "okta", UserName: "ann@acme.com", Active: active}}}
		w, err := Default().Want(p, Facts{}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Member == True; got != active {
			t.Errorf("active %v: member %v", active, w.Member)
		}
		if len(w.Roles) != 1 || w.Roles[0].Role != workspace.RoleMember || len(w.Groups)+len(w.Numbers) != 0 {
			t.Errorf("the default mapping gives %+v", w)
		}
	}
}

func TestLoadTellsAllProblems(t *testing.T) {
	_, err := Load([]byte("version: 1\nrolse: []\nroles:\n  - {id: r-a, role: owner}\n  - {id: r-b, role: adminn, if: {attr: departmnt, eq: x}}\n"), LoadOptions{File: "m.yaml"})
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{"LN01", "O1, LN05", `did you mean "department"`, `did you mean "roles"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}
