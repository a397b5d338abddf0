package sync

import (
	"crypto/sha256"

	"github.com/google/uuid"
)

// digest stands for an id or a name in the memory of a run: 16 bytes without
// a pointer, so that 100,000 people weigh a few MiB and the collector of
// garbage has nothing to walk. It is the first half of SHA-256: no two texts
// meet by chance, and 2^64 tries make none meet on purpose.
type digest [16]byte

func digestOf(text string) digest {
	sum := sha256.Sum256([]byte(text))
	return digest(sum[:16])
}

// idsByName remembers whose name a canonical DN is. Immutable ids are UUIDs
// almost everywhere, and fit into the same 16 bytes; others are kept as texts.
type idsByName struct {
	ids   map[digest]digest // of the name -> the UUID, or the digest of the text
	texts map[digest]string
}

func newIDsByName() idsByName {
	return idsByName{ids: map[digest]digest{}, texts: map[digest]string{}}
}

// put remembers the last bearer of a name.
func (n *idsByName) put(name, id string) {
	if name == "" {
		return
	}
	if u, err := uuid.Parse(id); err == nil && u.String() == id {
		n.ids[digestOf(name)] = digest(u)
		return
	}
	d := digestOf(id)
	n.ids[digestOf(name)], n.texts[d] = d, id
}

// id gives the bearer of a name, "" if the run has read none.
func (n *idsByName) id(name string) string {
	d, ok := n.ids[digestOf(name)]
	if !ok {
		return ""
	}
	if text, ok := n.texts[d]; ok {
		return text
	}
	return uuid.UUID(d).String()
}

// idSet is a set of ids.
type idSet map[digest]struct{}

func (s idSet) add(id string) { s[digestOf(id)] = struct{}{} }

func (s idSet) has(id string) bool {
	_, ok := s[digestOf(id)]
	return ok
}
