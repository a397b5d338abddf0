package ldap

import (
	"bufio"
	"errors"
	"io"
	"net"
	stdsync "sync"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// tap stands between the socket and the library and takes the search entries
// out of the stream, whole messages at a time. The library would build a tree
// of packets for each entry, which costs ten times what reading the entry
// costs and is most of a whole read's time and garbage. Everything else, the
// final answer above all, goes on to the library as it came: when the library
// sees the end of a search, all its entries have been put into the channel.
type tap struct {
	net.Conn
	in      *bufio.Reader
	buf     []byte // of the message being read
	pending []byte // rest of a message for the library
	entries chan item
	closed  chan struct{}
	once    stdsync.Once
	meter   *sync.Meter
}

// item is one thing that a search gave: an entry, or the controls of another
// message.
type item struct {
	entry    *goldap.Entry
	controls []goldap.Control
	referral bool
}

func newTap(c net.Conn, meter *sync.Meter) *tap {
	return &tap{Conn: c, meter: meter, in: bufio.NewReaderSize(c, 64<<10), entries: make(chan item, 64), closed: make(chan struct{})}
}

// Read gives the library what is not a search entry.
func (t *tap) Read(p []byte) (int, error) {
	for len(t.pending) == 0 {
		if err := t.message(); err != nil {
			return 0, err
		}
		t.meter.Answered(len(t.buf))
		it, ok, err := parseEntry(t.buf)
		if err != nil {
			return 0, err
		}
		if !ok {
			t.pending = t.buf
			break
		}
		select {
		case t.entries <- it:
		case <-t.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(p, t.pending)
	t.pending = t.pending[n:]
	return n, nil
}

// Close frees a Read that waits for room as well.
func (t *tap) Close() error {
	t.once.Do(func() { close(t.closed) })
	return t.Conn.Close()
}

var (
	errMalformed = errors.New("the directory sent what is no LDAP message")
	errTooLarge  = errors.New("the directory sent a message larger than 256 MiB")
)

// message reads one LDAPMessage (RFC 4511 section 4.1.1) into buf.
func (t *tap) message() error {
	var head [6]byte
	if _, err := io.ReadFull(t.in, head[:2]); err != nil {
		return err
	}
	if head[0] != tagSequence || head[1] == 0x80 {
		return errMalformed
	}
	n, size := 2, int(head[1])
	if head[1] > 0x80 {
		more := int(head[1] & 0x7f)
		if more > 4 {
			return errTooLarge
		}
		if _, err := io.ReadFull(t.in, head[2:2+more]); err != nil {
			return err
		}
		size = 0
		for _, b := range head[2 : 2+more] {
			size = size<<8 | int(b)
		}
		n += more
	}
	if size > packetLimit {
		return errTooLarge
	}
	t.buf = append(t.buf[:0], head[:n]...)
	// The buffer grows with what arrives, not with what is announced.
	for len(t.buf) < n+size {
		have := len(t.buf)
		step := min(n+size-have, 1<<20)
		t.buf = append(t.buf, make([]byte, step)...)
		if _, err := io.ReadFull(t.in, t.buf[have:]); err != nil {
			return err
		}
	}
	if cap(t.buf) > 4<<20 && n+size < 64<<10 {
		t.buf = append([]byte(nil), t.buf...) // one large group does not stay
	}
	return nil
}

// Tags of BER that a search entry is made of.
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagSequence = 0x30
	tagSet      = 0x31
	tagEntry    = 0x64 // [APPLICATION 4]
	tagControls = 0xa0 // [0]
)

// element splits the first element off: its tag, its content and what
// follows.
func element(s string) (tag byte, content, rest string, err error) {
	if len(s) < 2 {
		return 0, "", "", errMalformed
	}
	tag, n, size := s[0], 2, int(s[1])
	if size > 0x80 {
		more := size & 0x7f
		if more > 4 || len(s) < 2+more {
			return 0, "", "", errMalformed
		}
		size = 0
		for i := range more {
			size = size<<8 | int(s[2+i])
		}
		n += more
	} else if size == 0x80 {
		return 0, "", "", errMalformed
	}
	if size > len(s)-n {
		return 0, "", "", errMalformed
	}
	return tag, s[n : n+size], s[n+size:], nil
}

// want splits off an element that must have a tag.
func want(s string, tag byte) (content, rest string, err error) {
	got, content, rest, err := element(s)
	if err == nil && got != tag {
		err = errMalformed
	}
	return content, rest, err
}

// parseEntry reads a SearchResultEntry (RFC 4511 section 4.5.2); ok is false
// for every other message. Values are parts of one string.
func parseEntry(message []byte) (it item, ok bool, err error) {
	if !isEntry(message) {
		return it, false, nil
	}
	body, _, err := want(string(message), tagSequence)
	if err != nil {
		return it, false, err
	}
	if _, body, err = want(body, tagInteger); err != nil {
		return it, false, err
	}
	op, rest, err := want(body, tagEntry)
	if err != nil {
		return it, false, err
	}
	if it.entry, err = entryOf(op); err != nil {
		return it, false, err
	}
	it.controls, err = controlsOf(rest)
	return it, err == nil, err
}

// isEntry looks at the operation's tag behind the message id.
func isEntry(m []byte) bool {
	n := 2
	if len(m) > 2 && m[1] > 0x80 {
		n += int(m[1] & 0x7f)
	}
	if len(m) < n+2 || m[n] != tagInteger {
		return false
	}
	n += 2 + int(m[n+1])
	return len(m) > n && m[n] == tagEntry
}

func entryOf(op string) (*goldap.Entry, error) {
	name, op, err := want(op, tagOctets)
	if err != nil {
		return nil, err
	}
	list, _, err := want(op, tagSequence)
	if err != nil {
		return nil, err
	}
	attrs := make([]goldap.EntryAttribute, 0, 24)
	all := make([]string, 0, 32)
	for list != "" {
		var one, kind, set, v string
		if one, list, err = want(list, tagSequence); err != nil {
			return nil, err
		}
		if kind, one, err = want(one, tagOctets); err != nil {
			return nil, err
		}
		if set, _, err = want(one, tagSet); err != nil {
			return nil, err
		}
		first := len(all)
		for set != "" {
			if v, set, err = want(set, tagOctets); err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		attrs = append(attrs, goldap.EntryAttribute{Name: kind, Values: all[first:len(all):len(all)]})
	}
	e := &goldap.Entry{DN: name, Attributes: make([]*goldap.EntryAttribute, len(attrs))}
	for i := range attrs {
		e.Attributes[i] = &attrs[i]
	}
	return e, nil
}

// controlsOf leaves the rare controls of an entry to the library.
func controlsOf(rest string) ([]goldap.Control, error) {
	if rest == "" {
		return nil, nil
	}
	list, _, err := want(rest, tagControls)
	if err != nil {
		return nil, err
	}
	var out []goldap.Control
	for list != "" {
		_, _, next, err := element(list)
		if err != nil {
			return nil, err
		}
		p, err := ber.DecodePacketErr([]byte(list[:len(list)-len(next)]))
		if err != nil {
			return nil, err
		}
		c, err := goldap.DecodeControl(p)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
		list = next
	}
	return out, nil
}
