package mapping

import "github.com/rollcall-sync/rollcall/workspace"

// Rules is a compiled mapping: immutable, shared between goroutines.
type Rules struct{}

// LoadOptions tells Load what the file may refer to.
type LoadOptions struct {
	// Connections are the configured connection ids; nil accepts any.
	Connections []string
	// File names the file in errors.
	File string
}

// Load compiles a mapping. The error joins every problem found, each with
// line and column; on an error there are no rules.
func Load(text []byte, opt LoadOptions) (*Rules, error) { panic("unwritten") }

// Default is the mapping of a workspace without a mapping file: whoever the
// directory states as active is a Member, nothing else.
func Default() *Rules { panic("unwritten") }

// Want evaluates the rules for one person. The error is an error of the
// inventory only.
func (r *Rules) Want(p Person, f Facts, now workspace.Micros) (Want, error) { panic("unwritten") }

// Hash is "sha256:" and the hex digest of the file's text.
func (r *Rules) Hash() string { panic("unwritten") }

// Reads reports whether a live row reads the attribute (`rollcall.role`).
func (r *Rules) Reads(attr string) bool { panic("unwritten") }

// OwnerRow is one number_owner row; its person is found by the engine.
type OwnerRow struct {
	Row       string
	Owner     string // who answers for the row
	Number    string // E.164
	ManagerOf []GroupKey
	Attr      string // "manager": manager of the number's first user
	Member    string // e-mail
	KeepLast  bool
}

// GroupKey names a directory group: the immutable id in one connection, or a
// bare display name in any (Connection "").
type GroupKey struct {
	Connection string
	ID         string
	Name       string
}

// OwnerRows lists the live number_owner rows in file order.
func (r *Rules) OwnerRows() []OwnerRow { panic("unwritten") }

// Authors lists the e-mail addresses that answer for live rows.
func (r *Rules) Authors() []string { panic("unwritten") }
