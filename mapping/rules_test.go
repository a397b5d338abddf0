package mapping

import (
	"strings"
	"testing"
)

// Each case is a mapping whose own tests state what the rule says; a mapping
// with a failing test does not load.
var ruleCases = map[string]string{
	"MC1 absent is unknown for every operator, empty: included": `
attributes: {level: {type: int}, tags: {type: list}, ok: {type: bool}}
roles:
  - {id: r1, role: admin, if: {any: [{attr: title, eq: x}, {attr: title, in: [x]}, {attr: title, prefix: x}, {attr: title, matches: x}, {attr: title, empty: true}, {attr: startDate, before: 2026-01-01}, {attr: level, over: 3}, {attr: ok, eq: true}, {attr: tags, eq: a}]}}
  - {id: r2, role: admin, if: {not: {attr: title, eq: x}}}
  - {id: r3, role: member}
tests:
  - {name: absent, identity: {connection: c, groups: []}, want: {unknown: [r1, r2], role: member}}
  - {name: absent keeps, identity: {connection: c, groups: []}, facts: {present: {role: admin}}, want: {unknown: [r1, r2], role: admin}}
  - {name: empty is false, identity: {connection: c, groups: [], title: null, startDate: null, level: null, ok: null, tags: []}, want: {role: admin, role_by: r1, unknown: []}}
  - {name: one true suffices, identity: {connection: c, groups: [], level: 4}, want: {role: admin, role_by: r1, unknown: [r2]}}`,
	"MC1 all is false if one is false": `
roles:
  - {id: r1, role: admin, if: {all: [{attr: title, eq: x}, {attr: city, eq: y}]}}
  - {id: r2, role: member}
tests:
  - {name: false wins, identity: {connection: c, title: z, groups: []}, want: {role: member, unknown: [], role_by: r2}}
  - {name: unknown, identity: {connection: c, title: x, groups: []}, want: {unknown: [r1]}}
  - {name: both, identity: {connection: c, title: X, city: " y ", groups: []}, want: {role: admin}}`,
	"section 3 text folds, exact does not, lists match any value": `
attributes: {tags: {type: list}}
groups:
  - {id: folded, to: A, if: {attr: department, eq: "sales  team"}}
  - {id: exact, to: B, if: {attr: department, in: ["Sales Team"], exact: true}}
  - {id: prefix, to: C, if: {attr: department, prefix: SAL}}
  - {id: re, to: D, if: {attr: department, matches: '^Sales'}}
  - {id: list, to: E, if: {attr: tags, eq: blue}}
  - {id: none, to: F, if: {attr: department, empty: true}}
  - {id: some, to: G, if: {attr: department, empty: false}}
tests:
  - {name: one, identity: {connection: c, department: "  SALES Team ", tags: [red, Blue], groups: []}, want: {groups: [A, C, E, G]}}
  - {name: two, identity: {connection: c, department: Sales Team, tags: [red], groups: []}, want: {groups: [A, B, C, D, G]}}
  - {name: three, identity: {connection: c, department: "", tags: [red], groups: []}, want: {groups: [F]}}`,
	"section 3 times": `
zone: Europe/Oslo
groups:
  - {id: b, to: Before, if: {attr: startDate, before: 2027-01-01}}
  - {id: a, to: After, if: {attr: startDate, after: 2027-01-01}}
  - {id: w, to: Within, if: {attr: startDate, within: 14d}}
tests:
  - {name: day before, now: 2026-12-20, identity: {connection: c, startDate: 2026-12-31, groups: []}, want: {groups: [Before, Within]}}
  - {name: that day is neither, now: 2026-12-01, identity: {connection: c, startDate: 2027-01-01, groups: []}, want: {groups: []}}
  - {name: day after, now: 2026-12-30, identity: {connection: c, startDate: "2027-01-02T00:00:00+01:00", groups: []}, want: {groups: [After, Within]}}
  - {name: no time, identity: {connection: c, startDate: soon, groups: []}, want: {unknown: [b, a, w]}}`,
	"section 3 groups, nested ones included, unknown memberships": `
source_groups: {adm: {c: id-1, d: id-2}, ops: {c: id-3}}
groups:
  - {id: g1, to: One, if: {group: adm}}
  - {id: g2, to: Any, if: {group_any: [adm, ops]}}
  - {id: g3, to: All, if: {group_all: [adm, ops]}}
  - {id: g4, to: Name, if: {group: {name: Front Desk}}}
tests:
  - {name: in one, identity: {connection: c, groups: [adm]}, want: {groups: [One, Any], unknown: []}}
  - {name: in both, identity: {connection: c, groups: [adm, ops, front desk]}, want: {groups: [One, Any, All, Name]}}
  - {name: unknown, identity: {connection: c, groups: unknown}, want: {groups: [], unknown: [g1, g2, g3, g4]}}
  - {name: unknown elsewhere, identities: [{connection: c, groups: [ops]}, {connection: d, groups: unknown}], want: {groups: [Any], unknown: [g1, g3, g4]}}
  - {name: a connection that knows no such group, identity: {connection: e, groups: []}, want: {unknown: []}}`,
	"section 3 active, connection, has_reports, domain, dn_under": `
groups:
  - {id: g1, to: Active, if: {active: true}}
  - {id: g2, to: Conn, if: {connection: c}}
  - {id: g3, to: Lead, if: {has_reports: true}}
  - {id: g4, to: Claimed, if: {domain: claimed}}
  - {id: g5, to: Idn, if: {domain: [bücher.example]}}
  - {id: g6, to: Dn, if: {dn_under: "ou=x,dc=y"}}
tests:
  - {name: yes, identity: {connection: c, email: a@ACME.com, dn: "cn=a,OU=X,dc=y", groups: []}, facts: {has_reports: true, claimed: [acme.com]}, want: {groups: [Active, Conn, Lead, Claimed, Dn]}}
  - {name: no, identity: {connection: d, active: false, email: a@xn--bcher-kva.example, groups: []}, facts: {has_reports: false, claimed: []}, want: {groups: [Idn], unknown: []}}
  - {name: unknown, identity: {connection: c, groups: []}, want: {groups: [Active, Conn], unknown: [g3, g4, g5]}}`,
	"section 2 excluded people are left alone, unknown ones too": `
exclude:
  - {id: x1, if: {attr: userName, prefix: svc}}
tests:
  - {name: service, identity: {connection: c, userName: svc-a}, want: {excluded: true, member: false}}
  - {name: person, identity: {connection: c, userName: ann}, want: {excluded: false, member: true, role: member}}
  - {name: unknown, identity: {connection: c}, want: {excluded: true, unknown: [x1]}}`,
	"section 2 eligible alone decides about membership": `
eligible: {id: e1, if: {all: [{active: true}, {attr: userType, eq: employee}]}}
protect: [{id: p1, if: {attr: title, eq: CEO}}]
tests:
  - {name: in, identity: {connection: c, userType: Employee, title: x}, want: {member: true, protected: false}}
  - {name: out, identity: {connection: c, userType: guest, title: CEO}, want: {member: false, protected: true}}
  - {name: unknown, identity: {connection: c}, want: {member: unknown, protected: true, unknown: [e1, p1]}}`,
	"MR1 leaving every role group leaves a Member": `
source_groups: {adm: {c: id-1}}
roles: [{id: r1, role: admin, if: {group: adm}}]
tests:
  - {name: left, identity: {connection: c, groups: []}, facts: {present: {role: admin, role_by: r1}}, want: {member: true, role: member, unknown: []}}`,
	"MR2 precedence, attribute roles, Owner is never taken (O1)": `
roles:
  - {id: r-in, role: {attr: rollcall.role}, allow: [admin, member]}
  - {id: r-city, role: admin, if: {attr: city, eq: Oslo}}
  - {id: r-m, role: member}
tests:
  - {name: direct, identity: {connection: c, rollcall.role: Admin, city: x}, want: {role: admin, role_by: r-in}}
  - {name: direct lower, identity: {connection: c, rollcall.role: member, city: Oslo}, want: {role: member, role_by: r-in}}
  - {name: owner, identity: {connection: c, rollcall.role: Owner, city: x}, want: {role: member, role_by: r-m}}
  - {name: empty, identity: {connection: c, rollcall.role: null, city: Oslo}, want: {role: admin, role_by: r-city}}
  - {name: absent keeps the present role, identity: {connection: c, city: x}, facts: {present: {role: admin}}, want: {role: admin, unknown: [r-in]}}
  - {name: absent gives a newcomer the lower, identity: {connection: c, city: Oslo}, want: {role: member}}
  - {name: two values, identity: {connection: c, rollcall.role: [admin, member], city: x}, want: {role: member, role_by: r-in}}`,
	"MR3 the earliest end counts, a stated empty date takes the default": `
zone: Europe/Oslo
expiry:
  - {id: t1, if: {attr: userType, eq: contractor}, end: {attr: accountExpires}, default: 90d, warn: 14d}
  - {id: t2, end: {attr: rollcall.accessExpires}}
tests:
  - {name: date, now: 2026-11-21, identity: {connection: c, userType: contractor, accountExpires: 2027-01-31, rollcall.accessExpires: 2027-06-30}, want: {end: "2027-01-31T23:00:00Z"}}
  - {name: earlier, now: 2026-11-21, identity: {connection: c, userType: contractor, accountExpires: 2027-01-31, rollcall.accessExpires: "2026-12-01T10:00:00Z"}, want: {end: "2026-12-01T10:00:00Z"}}
  - {name: default, now: 2026-11-21, identity: {connection: c, userType: contractor, accountExpires: null, rollcall.accessExpires: null}, want: {end: 2027-02-19}}
  - {name: default counts from the first grant, now: 2026-12-21, identity: {connection: c, userType: contractor, accountExpires: null, rollcall.accessExpires: null}, facts: {present: {end: 2027-02-19, end_by: t1}}, want: {end: 2027-02-19}}
  - {name: none, identity: {connection: c, userType: employee, rollcall.accessExpires: ""}, want: {end: null, unknown: []}}
  - {name: unknown, identity: {connection: c, userType: contractor, rollcall.accessExpires: null}, want: {unknown: [t1]}}
  - {name: a date in the past never creates, now: 2027-03-01, identity: {connection: c, userType: contractor, accountExpires: 2027-01-31, rollcall.accessExpires: null}, want: {member: false}}
  - {name: it ends a member by the timer alone, now: 2027-03-01, identity: {connection: c, userType: contractor, accountExpires: 2027-01-31, rollcall.accessExpires: null}, facts: {present: {}}, want: {member: true, end: 2027-01-31}}`,
	"MR4 groups from an attribute are a closed list": `
groups:
  - {id: g1, to: {attr: department}, allow: [Sales, Støtte]}
  - {id: g2, to: {attr: office}, create: true, create_max: 5}
tests:
  - {name: folded, identity: {connection: c, department: SALES, office: Oslo, groups: []}, want: {groups: [Sales, Oslo]}}
  - {name: no match, identity: {connection: c, department: Legal, office: null}, want: {groups: [], unknown: []}}
  - {name: several, identity: {connection: c, department: [støtte, sales], office: [b, a, B]}, want: {groups: [Sales, Støtte, a, b]}}
  - {name: absent, identity: {connection: c}, want: {groups: [], unknown: [g1, g2]}}`,
	"MR5 a fixed number must be in the inventory": `
numbers: [{id: n1, access: shared, number: "+4722000000", ring: name, notify: false}]
tests:
  - {name: there, identity: {connection: c}, facts: {inventory: ["+4722000000"]}, want: {numbers: {"+4722000000": shared}}}
  - {name: missing, identity: {connection: c}, want: {numbers: [], denied: ["+4722000000"]}}
  - {name: porting, identity: {connection: c}, facts: {inventory: [{number: "+4722000000", state: porting}]}, want: {numbers: [], denied: ["+4722000000"]}}`,
	"MR6 numbers of others are seen, beside an exclusive holder only with R12": `
numbers:
  - {id: n1, access: view_only, numbers_of: {same: department}}
  - {id: n2, access: shared, numbers_of: {group: Desk}}
tests:
  - name: left out
    identity: {connection: c, department: SALES}
    facts:
      inventory: [{number: "+4722000001", owners_have: {department: Sales}}, {number: "+4722000002", owners_have: {department: Sales}}, {number: "+4722000003", group: desk}]
      holders: {"+4722000001": bo@acme.com}
    want: {numbers: {"+4722000002": view_only, "+4722000003": shared}}`,
	"MR7 ownership asked for by the request": `
number_owner:
  - {id: o1, each: {attr: rollcall.numberOwnerOf}}
  - {id: o2, number: "+4722000000", owner: {member: ann@acme.com}}
tests:
  - {name: by number and name, identity: {connection: c, rollcall.numberOwnerOf: ["+47 22 00 00 01", Front Desk]}, facts: {inventory: ["+4722000001", {number: "+4722000002", name: FRONT desk}]}, want: {owns: ["+4722000001", "+4722000002"]}}
  - {name: absent, identity: {connection: c}, want: {owns: [], unknown: [o1]}}`,
	"RO5 a row whose time has passed is as good as removed": `
roles: [{id: r1, role: admin, until: 2026-11-30}, {id: r2, role: member}]
groups: [{id: g1, to: New, since: 2026-12-01}]
tests:
  - {name: before, now: "2026-11-30T23:59:00Z", identity: {connection: c}, want: {role: admin, groups: []}}
  - {name: after, now: "2026-12-01T00:00:00Z", identity: {connection: c}, want: {role: member, groups: [New]}}`,
	"RO1 drafts and shadows have no effect": `
roles: [{id: r1, role: admin, mode: shadow}, {id: r2, role: admin, mode: draft}]
exclude: [{id: x1, mode: shadow, if: {active: true}}]
tests:
  - {name: none, identity: {connection: c}, want: {role: member, excluded: false}}`,
	"MM1 the first connection that states an attribute, empty included": `
authority: {default: [a, b], title: [b, a]}
groups:
  - {id: g1, to: {attr: department}, create: true}
  - {id: g2, to: {attr: title}, create: true}
tests:
  - {name: order, identities: [{connection: b, department: Sales, title: Boss}, {connection: a, department: Support, title: Clerk}], want: {groups: [Support, Boss]}}
  - {name: empty counts, identities: [{connection: b, department: Sales, title: null}, {connection: a, department: null, title: Clerk}], want: {groups: []}}
  - {name: absent does not, identities: [{connection: b, department: Sales}, {connection: a, title: Clerk}], want: {groups: [Sales, Clerk]}}
  - {name: unlisted come last, identities: [{connection: z, department: Zoo, title: Zed}, {connection: b, department: Sales}], want: {groups: [Sales, Zed]}}`,
	"MM2 groups are a union over connections": `
source_groups: {adm: {a: i1, b: i2}}
roles: [{id: r1, role: admin, if: {group: adm}}]
tests:
  - {name: one of two, identities: [{connection: a, groups: []}, {connection: b, groups: [adm]}], want: {role: admin}}`,
	"MM3 any no ends access": `
tests:
  - {name: one no, identities: [{connection: a, active: true}, {connection: b, active: false}], want: {active: false, member: false}}
  - {name: all yes, identities: [{connection: a}, {connection: b}], want: {active: true, member: true}}`,
	"MM3 only the named connections end access": `
authority: {active: [a]}
tests:
  - {name: other, identities: [{connection: a}, {connection: b, active: false}], want: {active: true}}
  - {name: named, identities: [{connection: a, active: false}, {connection: b}], want: {active: false}}
  - {name: alone, identity: {connection: b, active: false}, want: {active: unknown, member: unknown}}`,
	"section 4 custom attributes by connection": `
attributes: {site: {type: string, from: {a: ext3, b: "urn:x:site"}}}
groups: [{id: g1, to: {attr: site}, create: true}]
tests:
  - {name: a, identity: {connection: a, site: Oslo}, want: {groups: [Oslo]}}
  - {name: b, identity: {connection: b, site: Bergen}, want: {groups: [Bergen]}}
  - {name: c does not state it, identity: {connection: c}, want: {unknown: [g1]}}`,
}

func TestRules(t *testing.T) {
	for name, text := range ruleCases {
		t.Run(name, func(t *testing.T) {
			text := "version: 1\n" + text
			if _, err := Load([]byte(text), LoadOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A test that asserts something false refuses the file, for every assertion.
func TestFailingRuleTestsRefuseTheFile(t *testing.T) {
	const base = `version: 1
roles: [{id: r1, role: admin}]
numbers: [{id: n1, access: shared, number: "+4722000000"}, {id: n2, access: exclusive, from: [ask]}]
number_owner: [{id: o1, each: {attr: rollcall.numberOwnerOf}}]
expiry: [{id: t1, if: {attr: title, eq: temp}, default: 10d}]
tests:
  - name: x
    identity: {connection: c, title: temp, rollcall.numberOwnerOf: ["+4722000000"], groups: []}
    facts: {inventory: ["+4722000000"]}
    want: `
	good := `{member: true, active: true, excluded: false, protected: false, role: admin, role_by: r1, end: 2026-01-11,
      groups: [], numbers: {"+4722000000": shared}, asks: [n2], denied: [], owns: ["+4722000000"], unknown: []}`
	if _, err := Load([]byte(base+good+"\n"), LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"{member: false}", "{member: unknown}", "{active: false}", "{excluded: true}", "{protected: true}", "{role: member}", "{role_by: r2}",
		"{end: 2026-01-12}", "{end: null}", "{groups: [A]}", `{numbers: ["+4722000001"]}`, `{numbers: {"+4722000000": exclusive}}`, "{numbers: []}",
		"{asks: []}", "{denied: [x]}", "{owns: []}", "{unknown: [r1]}", "{rloe: admin}",
	} {
		_, err := Load([]byte(base+bad+"\n"), LoadOptions{})
		if err == nil || !strings.Contains(err.Error(), "LN0") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	_, err := Load([]byte("version: 1\nexclude: [{id: x, if: {attr: userName, prefix: svc}, test: {match: [{connection: c, userName: ann}], not: [{connection: c, userName: svc-x}]}}]\n"), LoadOptions{})
	if err == nil || strings.Count(err.Error(), "LN08") != 2 {
		t.Errorf("row tests: %v", err)
	}
}
