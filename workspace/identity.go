package workspace

// EvidenceClass grades what a source said (sources section 1).
type EvidenceClass string

// The evidence classes.
const (
	EvidenceNone EvidenceClass = ""   // a normal record
	EvidenceE1   EvidenceClass = "E1" // explicit no
	EvidenceE2   EvidenceClass = "E2" // proved absence
	EvidenceE3   EvidenceClass = "E3" // ambiguous
	EvidenceE4   EvidenceClass = "E4" // trouble
)

// Attributes are what a source states about a person, by the names of
// mapping section 3. A name that is missing is unknown; a name with an empty
// list is stated empty (I14). Values are text as sent; times are RFC 3339.
type Attributes map[string][]string

// First returns the first value of a name and whether the name is known.
func (a Attributes) First(name string) (value string, known bool) {
	v, ok := a[name]
	if !ok || len(v) == 0 {
		return "", ok
	}
	return v[0], true
}

// Identity is a person as one connection states it.
type Identity struct {
	ID         string // ours; the SCIM id
	Connection string
	ExternalID string // the immutable id at the source, opaque and case exact; "" if the source gives none
	UserName   string
	Email      string // primary e-mail as sent, "" if none
	Name       string // display name
	DN         string // LDAP only
	Active     bool
	// Deleted: the source ended this record (DELETE, tombstone); it is kept
	// as a tombstone and is invisible on the wire.
	Deleted bool
	// Reason is why an inactive or deleted identity is so: disabled,
	// expired, deleted, absent, moved, filtered, ineligible (AB3).
	Reason     string
	Attributes Attributes
	// Document is the SCIM document as normalised JSON; nil for sources
	// without one.
	Document []byte
	Member   string // linked member, "" while none
	Version  int64
	// Moved counts how often what is in force beside the record has changed, or
	// what waits: with Version it tells whether a User shows the same.
	Moved      int64
	CreatedAt  Micros
	UpdatedAt  Micros
	ObservedAt Micros // EV4: older never overwrites newer
}

// DirectoryGroup is a group as one connection states it. Its members are
// edges in the store and never travel with it.
type DirectoryGroup struct {
	ID          string
	Connection  string
	ExternalID  string
	Name        string
	DN          string
	Managers    []string // external ids or DNs that the source names as managers
	Attributes  Attributes
	Document    []byte
	MemberCount int64
	Version     int64
	CreatedAt   Micros
	UpdatedAt   Micros
	ObservedAt  Micros
}
