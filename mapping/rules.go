package mapping

import (
	_ "embed" // for the example
	"slices"
	"sync"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Rules is a compiled mapping: immutable, shared between goroutines.
type Rules struct {
	hash    string
	zone    *time.Location
	country string // default_country, "" if unset

	attrs []attribute
	reads map[string]bool
	// mayEnd names the connections whose no ends access; nil: all of them.
	mayEnd map[string]bool

	groups      []namedGroup
	groupByID   map[string][]groupAt
	groupByName map[string][]groupAt // by folded name

	pools       map[string]Pool
	poolCountry map[string]string // country by folded site

	exclude   []row
	protect   []row
	eligible  *row // nil: everybody
	roles     []roleRow
	expiry    []expiryRow
	groupRows []groupRow
	numbers   []numberRow
	ownEach   []ownEachRow
	ownerRows []OwnerRow
	handover  *textRow
	timed     bool
	bounds    []workspace.Micros // since and until of live rows; zero: none
	reason    *textRow

	// Numbers of the attributes that every evaluation may look at.
	nName, nGiven, nFamily, nUserName, nEmail, nCountry, nOffice, nPool, nSite int
}

// MayExclude reports whether the mapping excludes anybody at all.
func (r *Rules) MayExclude() bool { return len(r.exclude) > 0 }

// MayEnd reports whether a connection's explicit no ends access (MM3,
// authority.active).
func (r *Rules) MayEnd(connection string) bool { return r.mayEnd == nil || r.mayEnd[connection] }

// LoadOptions tells Load what the file may refer to.
type LoadOptions struct {
	// Connections are the configured connection ids; nil accepts any.
	Connections []string
	// File names the file in errors.
	File string
}

// Load compiles a mapping and runs the tests in it. The error joins every
// problem found as *Problem, each with line and column; on an error there are
// no rules.
func Load(text []byte, opt LoadOptions) (*Rules, error) { return load(text, opt) }

// defaultText is the mapping of a workspace without a file.
const defaultText = `version: 1
eligible: {id: default-active, if: {active: true}}
roles:
  - {id: default-member, role: member}
`

var loadDefault = sync.OnceValue(func() *Rules {
	r, err := Load([]byte(defaultText), LoadOptions{File: "default mapping"})
	if err != nil {
		panic(err) // the text is a constant that a test loads
	}
	return r
})

// Default is the mapping of a workspace without a mapping file: whoever the
// directory states as active is a Member, nothing else.
func Default() *Rules { return loadDefault() }

// Hash is "sha256:" and the hex digest of the file's text.
func (r *Rules) Hash() string { return r.hash }

// Reads reports whether a live row reads the attribute (`rollcall.role`).
func (r *Rules) Reads(attr string) bool { return r.reads[attr] }

// Stage counts the moments at which a row came into force or left it: while it
// stays, no row does (RO5).
func (r *Rules) Stage(now workspace.Micros) int {
	n := 0
	for _, at := range r.bounds {
		if at != 0 && at <= now {
			n++
		}
	}
	return n
}

// Timed reports whether a condition follows the clock (within): what the rules
// want can then change though nothing else does.
func (r *Rules) Timed() bool { return r.timed }

// Same reports whether two states of one record look the same to the rules and
// to whoever is linked with it: no row could tell them apart. Want gives the
// same for both, all else being equal.
func (r *Rules) Same(a, b *workspace.Identity) bool {
	if a.Active != b.Active || a.Deleted != b.Deleted || a.Reason != b.Reason || a.Connection != b.Connection || a.ExternalID != b.ExternalID ||
		a.UserName != b.UserName || a.Email != b.Email || a.Name != b.Name || a.DN != b.DN {
		return false
	}
	if !slices.Equal(a.Attributes["manager"], b.Attributes["manager"]) {
		return false // whoever hands over to a manager asks for it by this name
	}
	for i := range r.attrs {
		was, known := r.attrs[i].stated(a)
		is, still := r.attrs[i].stated(b)
		if known != still || !slices.Equal(was, is) {
			return false
		}
	}
	return true
}

// SourceNames lists what the attributes that live rows read are called at one
// connection, each once, sorted.
func (r *Rules) SourceNames(connection string) []string {
	var names []string
	for i := range r.attrs {
		if name := r.attrs[i].sourceName(connection); name != "" && r.reads[r.attrs[i].name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// OwnerRow is one number_owner row; its person is found by the engine.
type OwnerRow struct {
	Row       string
	Owner     string // who answers for the row
	Number    string // E.164
	ManagerOf []GroupKey
	Attr      string // "manager": manager of the number's first user
	Member    string // e-mail
	KeepLast  bool
	// Since and Until bound the time in which the row counts (RO5); zero sets
	// no bound, Until itself is outside.
	Since workspace.Micros
	Until workspace.Micros
}

// GroupKey names a directory group: the immutable id in one connection, or a
// display name in one connection or in any (Connection "").
type GroupKey struct {
	Connection string
	ID         string
	Name       string
}

// OwnerRows lists the live number_owner rows in file order. The slice is
// shared and must not be changed.
func (r *Rules) OwnerRows() []OwnerRow { return r.ownerRows }

// SourceGroups lists the directory groups that rows name for one connection,
// each once, in the order of the file: by immutable id, or by display name; a
// key without a connection is a bare text of a row, which may be either.
func (r *Rules) SourceGroups(connection string) []GroupKey {
	var out []GroupKey
	add := func(keys []GroupKey) {
		for _, k := range keys {
			if (k.Connection == "" || k.Connection == connection) && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	for i := range r.groups {
		add(r.groups[i].keys)
	}
	for i := range r.ownerRows {
		add(r.ownerRows[i].ManagerOf)
	}
	return out
}

// Pool finds a pool of the file by name.
func (r *Rules) Pool(name string) (Pool, bool) {
	p, ok := r.pools[name]
	return p, ok
}

//go:embed example.yaml
var example []byte

// Example is the annotated example mapping, which loads as it stands with the
// connections corp and okta.
func Example() []byte { return append([]byte(nil), example...) }
