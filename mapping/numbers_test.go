package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Numbers of section 6, as rule tests.
var numberCases = map[string]string{
	"keep is put first": `
pools: {p: {prefix: "+4722"}}
numbers: [{id: n1, access: exclusive, from: [{pool: p}]}]
tests:
  - {name: kept though a lower one is free, identity: {connection: c}, facts: {inventory: ["+4722000001", "+4722000002"], present: {numbers: {"+4722000002": {access: exclusive, by: n1}}}}, want: {numbers: ["+4722000002"]}}
  - {name: manual counts, identity: {connection: c}, facts: {inventory: ["+4722000001", "+4722000002"], present: {numbers: {"+4722000002": exclusive}}}, want: {numbers: ["+4722000002"]}}
  - {name: other access does not, identity: {connection: c}, facts: {inventory: ["+4722000001", "+4722000002"], present: {numbers: {"+4722000002": shared}}}, want: {numbers: ["+4722000001"]}}`,
	"attr before keep: the directory decides": `
default_country: "NO"
numbers: [{id: n1, access: exclusive, from: [{attr: telephoneNumber}, keep]}]
tests:
  - {name: moved, identity: {connection: c, telephoneNumber: 22000001, country: NO}, facts: {inventory: ["+4722000001", "+4722000002"], present: {numbers: {"+4722000002": exclusive}}}, want: {numbers: ["+4722000001"]}}
  - {name: empty keeps, identity: {connection: c, telephoneNumber: null}, facts: {inventory: ["+4722000002"], present: {numbers: {"+4722000002": exclusive}}}, want: {numbers: ["+4722000002"], unknown: []}}
  - {name: absent keeps (I14), identity: {connection: c}, facts: {inventory: ["+4722000002"], present: {numbers: {"+4722000002": exclusive}}}, want: {numbers: ["+4722000002"], unknown: []}}
  - {name: absent gives nothing new (I14), identity: {connection: c}, facts: {inventory: ["+4722000002"]}, want: {numbers: [], unknown: [n1]}}
  - {name: taken keeps, identity: {connection: c, telephoneNumber: 22000001, country: NO}, facts: {inventory: ["+4722000001", "+4722000002"], holders: {"+4722000001": bo@acme.com}, present: {numbers: {"+4722000002": exclusive}}}, want: {numbers: ["+4722000002"], denied: []}}`,
	"the country of a national number": `
default_country: "NO"
pools: {gb: {prefix: "+4420", site: London, country: GB}}
numbers: [{id: n1, access: exclusive, from: [{attr: telephoneNumber}]}]
tests:
  - {name: default, identity: {connection: c, telephoneNumber: 22 00 00 01, country: null}, facts: {inventory: ["+4722000001"]}, want: {numbers: ["+4722000001"]}}
  - {name: stated name, identity: {connection: c, telephoneNumber: 020 7946 0958, country: United Kingdom}, facts: {inventory: ["+442079460958"]}, want: {numbers: ["+442079460958"]}}
  - {name: place, identity: {connection: c, telephoneNumber: 020 7946 0958, office: LONDON, country: null}, facts: {inventory: ["+442079460958"]}, want: {numbers: ["+442079460958"]}}
  - {name: a country that names none is not guessed, identity: {connection: c, telephoneNumber: 22 00 00 01, country: "047"}, facts: {inventory: ["+4722000001"]}, want: {numbers: [], asks: [n1]}}
  - {name: it does not matter with plus, identity: {connection: c, telephoneNumber: "+47 22 00 00 01", country: "047"}, facts: {inventory: ["+4722000001"]}, want: {numbers: ["+4722000001"]}}
  - {name: an absent country moves nobody (I14), identity: {connection: c, telephoneNumber: 22 00 00 01}, facts: {inventory: ["+4722000001", "+442079460958"], present: {numbers: {"+442079460958": exclusive}}}, want: {numbers: ["+442079460958"]}}`,
	"no country at all asks": `
numbers: [{id: n1, access: exclusive, from: [{attr: telephoneNumber}]}]
tests:
  - {name: ask, identity: {connection: c, telephoneNumber: 22 00 00 01, country: null}, facts: {inventory: ["+4722000001"]}, want: {numbers: [], asks: [n1]}}
  - {name: what is in use stays, identity: {connection: c, telephoneNumber: 22 00 00 01, country: null}, facts: {inventory: ["+4722000001"], present: {numbers: {"+4722000001": exclusive}}}, want: {numbers: ["+4722000001"], asks: []}}`,
	"NR2 several values are ambiguous, the one in use is kept": `
default_country: "NO"
numbers: [{id: n1, access: exclusive, from: [{attr: telephoneNumber}, keep]}]
tests:
  - {name: ask, identity: {connection: c, telephoneNumber: [22000001, 22000002]}, facts: {inventory: ["+4722000001", "+4722000002"]}, want: {numbers: [], asks: [n1]}}
  - {name: in use, identity: {connection: c, telephoneNumber: [22000001, 22000002]}, facts: {inventory: ["+4722000001", "+4722000002"], present: {numbers: {"+4722000002": exclusive}}}, want: {numbers: ["+4722000002"], asks: []}}
  - {name: the same twice, identity: {connection: c, telephoneNumber: [22000001, "+4722000001"]}, facts: {inventory: ["+4722000001"]}, want: {numbers: ["+4722000001"]}}`,
	"NR3 one telephoneNumber, two people": `
default_country: "NO"
numbers:
  - {id: n1, access: exclusive, from: [{attr: telephoneNumber}], taken: fail}
tests:
  - {name: taken, identity: {connection: c, telephoneNumber: 22000001}, facts: {inventory: ["+4722000001"], holders: {"+4722000001": bo@acme.com}}, want: {numbers: [], denied: ["+4722000001"]}}
  - {name: shared by others, identity: {connection: c, telephoneNumber: 22000001}, facts: {inventory: ["+4722000001"], holders: {"+4722000001": {bo@acme.com: shared}}}, want: {numbers: [], denied: ["+4722000001"]}}
  - {name: only seen by others, identity: {connection: c, telephoneNumber: 22000001}, facts: {inventory: ["+4722000001"], holders: {"+4722000001": {bo@acme.com: view_only}}}, want: {numbers: ["+4722000001"]}}
  - {name: not in the inventory is no denial, identity: {connection: c, telephoneNumber: 22000001}, want: {numbers: [], denied: [], asks: []}}`,
	"taken: share and view_only": `
default_country: "NO"
numbers:
  - {id: n1, access: exclusive, if: {attr: title, eq: s}, from: [{attr: telephoneNumber}], taken: share}
  - {id: n2, access: exclusive, if: {attr: title, eq: v}, from: [{attr: telephoneNumber}], taken: view_only}
tests:
  - {name: share, identity: {connection: c, title: s, telephoneNumber: 22000001}, facts: {inventory: ["+4722000001"], holders: {"+4722000001": bo@acme.com}}, want: {numbers: {"+4722000001": shared}}}
  - {name: view, identity: {connection: c, title: v, telephoneNumber: 22000001}, facts: {inventory: ["+4722000001"], holders: {"+4722000001": bo@acme.com}, view_beside_exclusive: true}, want: {numbers: {"+4722000001": view_only}}}
  - {name: view needs R12, identity: {connection: c, title: v, telephoneNumber: 22000001}, facts: {inventory: ["+4722000001"], holders: {"+4722000001": bo@acme.com}}, want: {numbers: [], denied: ["+4722000001"]}}`,
	"NR1 refused numbers are not denied, they are noticed": `
default_country: US
numbers: [{id: n1, access: exclusive, from: [{attr: telephoneNumber}, {attr: mobile}]}]
tests:
  - {name: extension, identity: {connection: c, telephoneNumber: 415-555-2671 x123, mobile: null}, facts: {inventory: ["+14155552671"]}, want: {numbers: [], denied: []}}
  - {name: toll-free then mobile, identity: {connection: c, telephoneNumber: 1-800-FLOWERS, mobile: 415-555-2671}, facts: {inventory: ["+18003569377", "+14155552671"]}, want: {numbers: ["+14155552671"]}}`,
	"invitation, reserved, pool, share, ask in order": `
pools: {p: {prefix: "+4722", site: Oslo}}
numbers: [{id: n1, access: exclusive, from: [invitation, reserved, {pool: p}, {share: Desk}, ask]}]
tests:
  - {name: invitation, identity: {connection: c, email: ann@acme.com}, facts: {inventory: ["+4723000001", "+4723000002"], invited: ["+4723000001"], present: {}, reserved: ["+4723000002"]}, want: {numbers: ["+4723000001"]}}
  - {name: reserved, identity: {connection: c, email: ann@acme.com}, facts: {inventory: ["+4723000002"], present: {}, reserved: ["+4723000002"]}, want: {numbers: ["+4723000002"]}}
  - {name: lost meanwhile, identity: {connection: c, email: ann@acme.com}, facts: {inventory: ["+4723000001", {number: "+4722000009", site: Oslo}], invited: ["+4723000001"], holders: {"+4723000001": bo@acme.com}}, want: {numbers: ["+4722000009"]}}
  - {name: lowest of the pool, identity: {connection: c}, facts: {inventory: [{number: "+4722000009", site: Oslo}, {number: "+4722000004", site: oslo}, {number: "+4722000001", site: Bergen}, {number: "+4722000002", site: Oslo, state: quarantined}]}, want: {numbers: ["+4722000004"]}}
  - {name: share, identity: {connection: c}, facts: {inventory: [{number: "+4723000001", group: desk}]}, want: {numbers: {"+4723000001": shared}}}
  - {name: ask, identity: {connection: c}, facts: {inventory: []}, want: {numbers: [], asks: [n1]}}`,
	"unless_has looks at earlier rows, not at the store": `
default_country: "NO"
pools: {p: {prefix: "+4722"}}
numbers:
  - {id: n1, access: exclusive, from: [{attr: telephoneNumber}, keep]}
  - {id: n2, access: exclusive, unless_has: exclusive, from: [{pool: p}]}
tests:
  - {name: given, identity: {connection: c, telephoneNumber: 22000005}, facts: {inventory: ["+4722000001", "+4722000005"]}, want: {numbers: ["+4722000005"]}}
  - {name: not given, identity: {connection: c, telephoneNumber: null}, facts: {inventory: ["+4722000001"]}, want: {numbers: ["+4722000001"]}}
  - {name: an earlier unknown row may give one (I14), identity: {connection: c}, facts: {inventory: ["+4722000001"]}, want: {numbers: [], unknown: [n1, n2]}}`,
	"two rows give two numbers, one number has one access": `
pools: {p: {prefix: "+4722"}}
numbers:
  - {id: n1, access: exclusive, from: [{pool: p}]}
  - {id: n2, access: exclusive, from: [{pool: p}]}
  - {id: n3, access: view_only, each: {attr: rollcall.viewOnlyNumbers}}
tests:
  - {name: two, identity: {connection: c, rollcall.viewOnlyNumbers: ["+4722000001"]}, facts: {inventory: ["+4722000001", "+4722000002"]}, want: {numbers: {"+4722000001": exclusive, "+4722000002": exclusive}}}`,
	"rollcall.primaryNumber": `
default_country: "NO"
pools: {p: {prefix: "+4722", site: Oslo}, q: {prefix: "+4755", site: Bergen}}
numbers: [{id: n1, access: exclusive, from: [{attr: rollcall.primaryNumber}, {pool: p}]}]
tests:
  - {name: number, identity: {connection: c, rollcall.primaryNumber: "+4755000001"}, facts: {inventory: ["+4755000001"]}, want: {numbers: ["+4755000001"]}}
  - {name: moved by the request, identity: {connection: c, rollcall.primaryNumber: "+4755000001"}, facts: {inventory: ["+4755000001", "+4722000001"], present: {numbers: {"+4722000001": {access: exclusive, by: n1}}}}, want: {numbers: ["+4755000001"]}}
  - {name: auto by pool, identity: {connection: c, rollcall.primaryNumber: auto, rollcall.numberPool: q}, facts: {inventory: [{number: "+4755000001", site: Bergen}, "+4722000001"]}, want: {numbers: ["+4755000001"]}}
  - {name: auto by site, identity: {connection: c, rollcall.primaryNumber: Auto, rollcall.site: bergen}, facts: {inventory: [{number: "+4755000001", site: Bergen}, "+4722000001"]}, want: {numbers: ["+4755000001"]}}
  - {name: auto by the next strategy, identity: {connection: c, rollcall.primaryNumber: auto}, facts: {inventory: [{number: "+4722000001", site: Oslo}]}, want: {numbers: ["+4722000001"]}}
  - {name: auto keeps, identity: {connection: c, rollcall.primaryNumber: auto, rollcall.numberPool: q}, facts: {inventory: ["+4755000001", "+4722000001"], present: {numbers: {"+4722000001": exclusive}}}, want: {numbers: ["+4722000001"]}}
  - {name: none, identity: {connection: c, rollcall.primaryNumber: none}, facts: {inventory: ["+4722000001"], present: {numbers: {"+4722000001": {access: exclusive, by: n1}}}}, want: {numbers: [], unknown: []}}
  - {name: absent is unchanged, identity: {connection: c}, facts: {inventory: ["+4722000001"]}, want: {numbers: [], unknown: [n1]}}`,
	"VW10 a direct number that may not be given is denied, what stands stays": `
numbers: [{id: n1, access: exclusive, from: [{attr: rollcall.primaryNumber}]}, {id: n2, access: shared, each: {attr: rollcall.sharedNumbers}}]
tests:
  - {name: unknown, identity: {connection: c, rollcall.primaryNumber: "+4755000001", rollcall.sharedNumbers: ["+4755000002", Nowhere]}, want: {numbers: [], denied: ["+4755000001", "+4755000002", Nowhere]}}
  - {name: taken, identity: {connection: c, rollcall.primaryNumber: "+4755000001", rollcall.sharedNumbers: ["+4755000001"]}, facts: {inventory: ["+4755000001"], holders: {"+4755000001": bo@acme.com}}, want: {numbers: [], denied: ["+4755000001"]}}
  - {name: what stands, identity: {connection: c, rollcall.primaryNumber: "+4755000009", rollcall.sharedNumbers: []}, facts: {inventory: ["+4755000001"], present: {numbers: {"+4755000001": {access: exclusive, by: n1}}}}, want: {numbers: ["+4755000001"], denied: ["+4755000009"]}}
  - {name: by name, identity: {connection: c, rollcall.primaryNumber: none, rollcall.sharedNumbers: [front DESK]}, facts: {inventory: [{number: "+4755000001", name: Front Desk}]}, want: {numbers: {"+4755000001": shared}}}`,
}

func TestNumbers(t *testing.T) {
	for name, text := range numberCases {
		t.Run(name, func(t *testing.T) {
			if _, err := Load([]byte("version: 1\n"+text), LoadOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// mustLoad compiles a mapping for a test.
func mustLoad(t testing.TB, text string) *Rules {
	t.Helper()
	r, err := Load([]byte("version: 1\n"+text), LoadOptions{File: "m.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stock is an inventory of free numbers.
func stock(e164 ...string) *fixtureInventory {
	f := &fixtureInventory{}
	for _, e := range e164 {
		f.numbers = append(f.numbers, fixtureNumber{Number: workspace.Number{ID: "n" + e, E164: e, State: workspace.NumberFree}})
	}
	return f
}

func identity(attrs workspace.Attributes) workspace.Identity {
	return workspace.Identity{ID: "i1", Connection: "c", Active: true, Attributes: attrs}
}

// What a wanted number says besides the number: row, author, reason, ring,
// notification, attempts, Direct.
func TestWantNumberDetails(t *testing.T) {
	r := mustLoad(t, `
owner: ann@acme.com
pools: {p: {prefix: "+4722"}}
numbers:
  - {id: n1, access: exclusive, from: [keep, invitation, {pool: p}], if: {attr: office, in: [Oslo]}}
  - {id: n2, access: shared, each: {attr: rollcall.sharedNumbers}, ring: name, notify: false, owner: bo@acme.com}
  - {id: n3, access: exclusive, from: [{attr: rollcall.primaryNumber}, ask]}
`)
	p := Person{Identities: []workspace.Identity{identity(workspace.Attributes{
		"office": {"Oslo"}, "rollcall.sharedNumbers": {"+4733000001"}, "rollcall.primaryNumber": {}, "email": {"x@acme.com"},
	})}}
	w, err := r.Want(p, Facts{Inventory: stock("+4722000001", "+4722000002", "+4733000001")}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []WantNumber{
		{
			Number: "n+4722000001", E164: "+4722000001", Access: workspace.AccessExclusive, Row: "n1", Owner: "ann@acme.com", Source: "office in Oslo",
			Ring: RingLast, Notify: true, How: "pool", Tried: []Attempt{{"keep", "none"}, {"invitation", "none"}, {"pool p", "+4722000001"}},
		},
		{
			Number: "n+4733000001", E164: "+4733000001", Access: workspace.AccessShared, Row: "n2", Owner: "bo@acme.com",
			Source: "rollcall.sharedNumbers = +4733000001", Ring: RingName, How: "attribute", Direct: true,
		},
		{
			Access: workspace.AccessExclusive, Row: "n3", Owner: "ann@acme.com", Source: "always", Ring: RingLast, Notify: true, Ask: true,
			Tried: []Attempt{{"rollcall.primaryNumber", "empty"}, {"ask", "a person chooses"}},
		},
	}
	if d := cmp.Diff(want, w.Numbers); d != "" {
		t.Error(d)
	}
}

// taken: share names the holder whose access is lowered; fail names the
// holder in words.
func TestTakenNamesTheHolder(t *testing.T) {
	for taken, check := range map[string]func(WantNumber) bool{
		"share": func(n WantNumber) bool { return n.Demoted == "bo" && n.Access == workspace.AccessShared },
		"fail": func(n WantNumber) bool {
			return n.DeniedCode == deniedTaken && n.Holder == "bo" && strings.Contains(n.Denied, "bo")
		},
	} {
		r := mustLoad(t, `numbers: [{id: n1, access: exclusive, number: "+4722000001", taken: `+taken+`}]`+"\n")
		inv := stock("+4722000001")
		inv.numbers[0].Assignments = []workspace.Assignment{{Kind: workspace.ToMember, To: "bo", Access: workspace.AccessExclusive}}
		w, err := r.Want(Person{Identities: []workspace.Identity{identity(nil)}}, Facts{Inventory: inv}, 1)
		if err != nil || len(w.Numbers) != 1 || !check(w.Numbers[0]) {
			t.Errorf("taken: %s: %+v, %v", taken, w.Numbers, err)
		}
	}
}

// An ask offers at most five free numbers of the row's pools.
func TestAskOffersCandidates(t *testing.T) {
	r := mustLoad(t, `
pools: {p: {prefix: "+4722", site: Oslo}}
numbers: [{id: n1, access: exclusive, from: [invitation, ask]}]
`)
	inv := stock("+4722000001", "+4722000002", "+4722000003", "+4722000004", "+4722000005", "+4722000006")
	for i := range inv.numbers {
		inv.numbers[i].Site = "Oslo"
	}
	w, err := r.Want(Person{Identities: []workspace.Identity{identity(workspace.Attributes{"office": {"OSLO"}})}}, Facts{Inventory: inv}, 1)
	if err != nil || len(w.Numbers) != 1 || !w.Numbers[0].Ask {
		t.Fatalf("%+v, %v", w.Numbers, err)
	}
	want := []string{"+4722000001", "+4722000002", "+4722000003", "+4722000004", "+4722000005"}
	if d := cmp.Diff(want, w.Numbers[0].Candidates); d != "" {
		t.Error(d)
	}
}

// errInventory fails as an unreachable database does.
type errInventory struct{ *fixtureInventory }

var errStore = errors.New("store is gone")

func (errInventory) LowestFree(Pool, map[string]bool) (workspace.Number, bool, error) {
	return workspace.Number{}, false, errStore
}

// An error of the inventory ends Want and travels; nobody gets half a want.
func TestInventoryErrorsTravel(t *testing.T) {
	r := mustLoad(t, "pools: {p: {prefix: \"+4722\"}}\nnumbers: [{id: n1, access: exclusive, from: [{pool: p}]}]\n")
	w, err := r.Want(Person{Identities: []workspace.Identity{identity(nil)}}, Facts{Inventory: errInventory{stock()}}, 1)
	if !errors.Is(err, errStore) {
		t.Errorf("error %v", err)
	}
	if d := cmp.Diff(Want{}, w); d != "" {
		t.Error(d)
	}
}
