package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/yamldoc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// One bad file per rule: where the problem is and what its text says.
func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line, col  int
		says       []string
	}{
		{"empty file", "", 0, 0, []string{"empty"}},
		{"not YAML", "version: 1\nroles: [", 2, 8, []string{"sequence end"}},
		{"two documents", "version: 1\n---\nversion: 1\n", 3, 1, []string{"one document"}},
		{"a list", "- 1\n", 1, 1, []string{"table of keys"}},
		{"no version", "owner: ann@acme.com\n", 1, 1, []string{"version: 1 is missing"}},
		{"another version", "version: 2\n", 1, 10, []string{"version 1"}},
		{"key twice", "version: 1\nversion: 1\n", 2, 1, []string{"stands twice"}},
		{"anchors", "version: 1\nroles: &r []\n", 2, 8, []string{"anchor"}},
		{"LN01 unknown section", "version: 1\nnumber: []\n", 2, 1, []string{"LN01", `"numbers"`}},
		{"LN01 unknown row key", "version: 1\nroles:\n  - {id: r1, role: admin, aprove: always}\n", 3, 27, []string{"LN01", `"approve"`}},
		{"LN02 unknown attribute", "version: 1\nroles: [{id: r1, role: admin, if: {attr: departmnet, eq: x}}]\n", 2, 42, []string{"LN02", `"department"`}},
		{"LN02 unknown attribute of authority", "version: 1\nauthority: {emial: [a]}\n", 2, 13, []string{"LN02", `"email"`}},
		{"LN02 unknown connection", "version: 1\nauthority: {default: [cropp]}\n", 2, 23, []string{"LN02", `"corp"`}},
		{"LN02 unknown connection of an alias", "version: 1\nsource_groups: {adm: {crop: x}}\n", 2, 23, []string{"LN02", `"corp"`}},
		{"LN02 unknown connection in a condition", "version: 1\nexclude: [{id: x1, if: {connection: c0rp}}]\n", 2, 37, []string{"LN02", `"corp"`}},
		{"LN02 nearly an alias", "version: 1\nsource_groups: {phone-admins: {corp: x}}\nroles: [{id: r1, role: admin, if: {group: phone-admin}}]\n", 3, 43, []string{"LN02", `"phone-admins"`, "{name:"}},
		{"LN03 id twice", "version: 1\nroles: [{id: r1, role: admin, if: {active: true}}, {id: r1, role: member}]\n", 2, 57, []string{"LN03"}},
		{"LN03 operator and type", "version: 1\nexclude: [{id: x1, if: {attr: title, before: 2026-01-01}}]\n", 2, 46, []string{"LN03", "eq, in, prefix"}},
		{"LN03 text of a bool", "version: 1\nexclude: [{id: x1, if: {attr: title, eq: true}}]\n", 2, 42, []string{"quote it"}},
		{"LN03 bool of a text", "version: 1\nexclude: [{id: x1, if: {attr: guest, eq: sure}}]\n", 2, 42, []string{"true or false"}},
		{"LN03 eq of a time", "version: 1\nexclude: [{id: x1, if: {attr: startDate, eq: 2026-01-01}}]\n", 2, 46, []string{"LN03", "before, after, within"}},
		{"LN03 expiry of a text", "version: 1\nexpiry: [{id: t1, end: {attr: title}}]\n", 2, 24, []string{"LN03"}},
		{"LN04 regexp", "version: 1\nexclude: [{id: x1, if: {attr: title, matches: '('}}]\n", 2, 47, []string{"LN04"}},
		{"LN04 long regexp", "version: 1\nexclude: [{id: x1, if: {attr: title, matches: " + strings.Repeat("a", 257) + "}}]\n", 2, 47, []string{"256"}},
		{"LN04 date", "version: 1\nexclude: [{id: x1, if: {attr: startDate, before: 2026-13-01}}]\n", 2, 50, []string{"LN04"}},
		{"LN04 span", "version: 1\nexclude: [{id: x1, if: {attr: startDate, within: 14}}]\n", 2, 50, []string{"LN04", "14d"}},
		{"LN04 number", "version: 1\nnumbers: [{id: n1, access: shared, number: \"22000000\"}]\n", 2, 44, []string{"LN04", "E.164"}},
		{"LN04 DN", "version: 1\nexclude: [{id: x1, if: {dn_under: acme}}]\n", 2, 35, []string{"LN04"}},
		{"LN04 country", "version: 1\ndefault_country: Nowhere\n", 2, 18, []string{"LN04"}},
		{"LN05 Owner as a role names O1", "version: 1\nroles: [{id: r1, role: owner}]\n", 2, 24, []string{"LN05", "O1"}},
		{"LN05 Owner in allow names O1", "version: 1\nroles: [{id: r1, role: {attr: rollcall.role}, allow: [Owner, admin]}]\n", 2, 55, []string{"LN05", "O1"}},
		{"LN05 attribute role without allow", "version: 1\nroles: [{id: r1, role: {attr: rollcall.role}}]\n", 2, 24, []string{"LN05", "allow"}},
		{"LN07 dead role row", "version: 1\nroles: [{id: r1, role: member}, {id: r2, role: admin}]\n", 2, 33, []string{"LN07", "r1"}},
		{"LN09 unknown pool", "version: 1\npools: {oslo: {prefix: \"+4722\"}}\nnumbers: [{id: n1, access: exclusive, from: [{pool: olso}]}]\n", 3, 53, []string{"LN09", `"oslo"`}},
		{"MR3 neither end nor default", "version: 1\nexpiry: [{id: t1, warn: 3d}]\n", 2, 10, []string{"MR3"}},
		{"MR4 open list", "version: 1\ngroups: [{id: g1, to: {attr: department}}]\n", 2, 23, []string{"MR4"}},
		{"MR6 exclusive numbers of others", "version: 1\nnumbers: [{id: n1, access: exclusive, numbers_of: {group: A}}]\n", 2, 51, []string{"R12"}},
		{"MR8 buying", "version: 1\nnumbers: [{id: n1, access: exclusive, from: [keep], buy: true}]\n", 2, 58, []string{"MR8"}},
		{"when", "version: 1\nroles: [{id: r1, role: admin, when: 'true'}]\n", 2, 37, []string{"when: is not supported by this version; use if:"}},
		{"depth 6", "version: 1\nexclude: [{id: x1, if: {not: {not: {not: {not: {not: {active: true}}}}}}}]\n", 2, 54, []string{"5 deep"}},
		{"two operators", "version: 1\nexclude: [{id: x1, if: {attr: title, eq: a, in: [b]}}]\n", 2, 45, []string{"one operator"}},
		{"no operator", "version: 1\nexclude: [{id: x1, if: {attr: title}}]\n", 2, 24, []string{"needs an operator"}},
		{"unknown operator", "version: 1\nexclude: [{id: x1, if: {grop: a}}]\n", 2, 25, []string{"LN01", `"group"`}},
		{"exact with matches", "version: 1\nexclude: [{id: x1, if: {attr: title, matches: a, exact: true}}]\n", 2, 50, []string{"exact"}},
		{"exclude everybody", "version: 1\nexclude: [{id: x1}]\n", 2, 11, []string{"everybody"}},
		{"bad id", "version: 1\nroles: [{id: R_1, role: admin}]\n", 2, 14, []string{"small letters"}},
		{"no id", "version: 1\nroles: [{role: admin}]\n", 2, 9, []string{"id: is missing"}},
		{"eligible is a list", "version: 1\neligible: [{id: e1}]\n", 2, 11, []string{"one row"}},
		{"eligible as a draft", "version: 1\neligible: {id: e1, mode: draft}\n", 2, 11, []string{"no mode"}},
		{"two origins", "version: 1\nnumbers: [{id: n1, access: shared, number: \"+4722000000\", from: [keep]}]\n", 2, 11, []string{"exactly one"}},
		{"after ask", "version: 1\nnumbers: [{id: n1, access: exclusive, from: [ask, keep]}]\n", 2, 51, []string{"never fails"}},
		{"unknown strategy", "version: 1\nnumbers: [{id: n1, access: exclusive, from: [kep]}]\n", 2, 46, []string{`"keep"`}},
		{"ring of view-only", "version: 1\nnumbers: [{id: n1, access: view_only, numbers_of: {group: A}, ring: name}]\n", 2, 69, []string{"R13"}},
		{"built-in redefined", "version: 1\nattributes: {title: {type: string}}\n", 2, 21, []string{"built-in"}},
		{"zone", "version: 1\nzone: Oslo\n", 2, 7, []string{"Europe/Oslo"}},
		{"owner", "version: 1\nowner: ann\n", 2, 8, []string{"e-mail"}},
		{"mode", "version: 1\nroles: [{id: r1, role: admin, mode: lvie}]\n", 2, 37, []string{`"live"`}},
		{"cap", "version: 1\nroles: [{id: r1, role: admin, cap: 0}]\n", 2, 36, []string{"from 1"}},
		{"prefix of a pool", "version: 1\npools: {p: {prefix: \"22\"}}\n", 2, 21, []string{"E.164"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Load([]byte(c.text), LoadOptions{File: "m.yaml", Connections: []string{"corp"}})
			if err == nil || r != nil {
				t.Fatal("the file was taken")
			}
			var p *Problem
			if !errors.As(err, &p) {
				t.Fatalf("%T carries no Problem", err)
			}
			if p.File != "m.yaml" || p.Line != c.line || p.Column != c.col {
				t.Errorf("at %d:%d, want %d:%d: %v", p.Line, p.Column, c.line, c.col, err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

// A row behind a capped one can still be taken (MR2), and so can one behind a
// row that ends.
func TestRowsThatAreNotDead(t *testing.T) {
	for _, rows := range []string{
		"[{id: r1, role: admin, cap: 3}, {id: r2, role: member}]",
		"[{id: r1, role: admin, until: 2026-01-01}, {id: r2, role: member}]",
		"[{id: r1, role: {attr: rollcall.role}, allow: [admin]}, {id: r2, role: member}]",
		"[{id: r1, role: member, mode: draft}, {id: r2, role: admin}]",
	} {
		if _, err := Load([]byte("version: 1\nroles: "+rows+"\n"), LoadOptions{}); err != nil {
			t.Errorf("%s: %v", rows, err)
		}
	}
}

// Text that would make a recursive parser deep is refused before it runs.
func TestLoadBounds(t *testing.T) {
	for name, text := range map[string]string{
		"flow":  "version: 1\nroles: " + strings.Repeat("[", 100000),
		"block": strings.Repeat("- ", 100000),
		"size":  "version: 1\n#" + strings.Repeat("x", yamldoc.MaxBytes),
	} {
		if _, err := Load([]byte(text), LoadOptions{}); err == nil || len(err.Error()) > 200 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(Example())
	f.Add([]byte("version: 1\nroles: [{id: r1, role: {attr: rollcall.role}, allow: [admin]}]\n"))
	for _, text := range ruleCases {
		f.Add([]byte("version: 1\n" + text))
	}
	for _, text := range numberCases {
		f.Add([]byte("version: 1\n" + text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Load(text, LoadOptions{})
		if (r == nil) == (err == nil) {
			t.Fatalf("rules %v, error %v", r, err)
		}
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) {
				t.Fatalf("%T is no Problem", err)
			}
			return
		}
		if _, err := r.Want(Person{Identities: []workspace.Identity{identity(nil)}}, Facts{}, 1); err != nil {
			t.Fatal(err)
		}
	})
}
