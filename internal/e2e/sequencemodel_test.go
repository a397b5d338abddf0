package e2e

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
)

// This file is what the sequences are judged by. It is made from the design
// (sources.md 1, 3, 9; leavers-and-events.md 6, 14; mapping.md MM3) and knows
// nothing of the engine: per person and source it holds what the last explicit
// statement may have been.

// word is an explicit statement about somebody.
type word uint8

const (
	silence word = 1 << iota // the source has not spoken of the person
	yes                      // enabled
	no                       // disabled, deleted, or not of the staff
)

func (w word) String() string {
	var parts []string
	for _, x := range []struct {
		word word
		text string
	}{{silence, "silence"}, {yes, "yes"}, {no, "no"}} {
		if w&x.word != 0 {
			parts = append(parts, x.text)
		}
	}
	return strings.Join(parts, " or ")
}

// heard is what a source's last statement may have been: one word if we know
// that it arrived, several while we do not.
type heard struct {
	may word
	// at counts the statements that certainly arrived, so that a read that
	// began before one cannot be newer.
	at int
}

func (h *heard) surely(w word, at int) { h.may, h.at = w, at }
func (h *heard) perhaps(w word)        { h.may |= w }

// person is somebody at the provider. What they are now is in the fake.
type seqPerson struct {
	id, name  string // name is the login and the address before @acme.com
	dir, push heard
	// member is the member who stands for the person, once there is one.
	member string
	active bool   // had access after the step before
	held   string // the member's address then, before @acme.com
	// ever are the groups the person may have been in by what was read since
	// the last time that all was settled.
	ever map[string]bool

	// What the client that pushes knows: the id of the User, and the messages
	// that it has still to deliver, oldest first.
	user    string
	outbox  []pushed
	last    *pushed // delivered last
	offAt   time.Time
	since   word // all that the provider said of them since the read began
	moved   int  // when the provider said something else last, by the clock of statements
	present bool // in the provider's pushed group
}

// pushed is one message of the client: the person as they were then.
type pushed struct {
	gone, off         bool
	userName, display string
}

func (p pushed) word() word {
	if p.gone || p.off {
		return no
	}
	return yes
}

func (p pushed) String() string {
	switch {
	case p.gone:
		return "DELETE"
	case p.off:
		return p.userName + " active=false"
	}
	return p.userName + " active=true"
}

// seqSession is a session that began.
type seqSession struct {
	id, sid string
	person  *seqPerson
	expires time.Time
	dead    bool // something that ends it was certainly heard
	unsure  bool // something that ends it may have been heard
}

// model is everything that is known from outside.
type model struct {
	people   []*seqPerson
	sessions []*seqSession
	owners   map[string]*seqPerson // by member: whom it has always stood for
	clock    int                   // of statements
}

// truth is what the provider says of a person now.
func truth(f *fakeidp.Server, p *seqPerson) word {
	x, there := f.Person(p.id)
	switch {
	case !there, x.Disabled, x.Title == "Contractor":
		return no
	}
	return yes
}

// sources are the connections that speak of the person, by name.
func (p *seqPerson) sources() map[string]*heard {
	return map[string]*heard{"dir": &p.dir, "push": &p.push}
}

// mayHave tells whether some source may have said no last.
func (p *seqPerson) mayBeNo() bool { return (p.dir.may|p.push.may)&no != 0 }

// said tells what is known of a person's statements.
func (p *seqPerson) said() string {
	return fmt.Sprintf("%s (%s): dir said %s, push said %s, member %q", p.name, p.id, p.dir.may, p.push.may, p.member)
}

// hears notes a statement that surely arrived.
func (m *model) hears(h *heard, w word) {
	m.clock++
	h.surely(w, m.clock)
}

// ends notes that something ended all sessions of somebody.
func (m *model) ends(p *seqPerson, surely bool) {
	for _, s := range m.sessions {
		if s.person == p {
			s.dead = s.dead || surely
			s.unsure = true
		}
	}
}
