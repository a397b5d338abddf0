package ldap

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// Limits of an LDIF file: a record is one group at most.
const (
	maxLine   = 1 << 20
	maxRecord = packetLimit
)

// LDIFError is a fault of a dump, with the line where it stands.
type LDIFError struct {
	Line int
	Text string
}

func (e *LDIFError) Error() string { return fmt.Sprintf("LDIF line %d: %s", e.Line, e.Text) }

// ldifReader reads the content records of RFC 2849, one at a time.
type ldifReader struct {
	in     *bufio.Reader
	line   int
	peeked []byte
	ended  bool
	first  bool
}

func newLDIFReader(r io.Reader) *ldifReader {
	return &ldifReader{in: bufio.NewReaderSize(r, 64<<10), first: true}
}

// next gives the next record, io.EOF after the last one.
func (r *ldifReader) next() (*goldap.Entry, error) {
	var e *goldap.Entry
	size := 0
	for {
		line, err := r.logical()
		switch {
		case errors.Is(err, io.EOF):
			if e != nil {
				return e, nil
			}
			return nil, io.EOF
		case err != nil:
			return nil, err
		case len(line) == 0:
			if e != nil {
				return e, nil
			}
			continue
		}
		name, value, err := r.spec(line)
		if err != nil {
			return nil, err
		}
		if size += len(line); size > maxRecord {
			return nil, r.fault("the record is larger than %d bytes", maxRecord)
		}
		lower := strings.ToLower(name)
		switch {
		case r.first && lower == "version":
			if string(value) != "1" {
				return nil, r.fault("version %.40q: only 1 is known", value)
			}
		case lower == "changetype" || lower == "control":
			return nil, r.fault("this is a record of changes: write a dump of content, as slapcat or ldapsearch -LLL do")
		case e == nil && lower != "dn":
			return nil, r.fault("a record begins with dn:, not with %.40q", name)
		case e == nil:
			e = &goldap.Entry{DN: string(value)}
		case lower == "dn":
			return nil, r.fault("a second dn: in one record; an empty line is missing")
		default:
			addValue(e, name, value)
		}
		r.first = false
	}
}

func (r *ldifReader) fault(format string, args ...any) error {
	return &LDIFError{Line: r.line, Text: fmt.Sprintf(format, args...)}
}

func addValue(e *goldap.Entry, name string, value []byte) {
	for _, a := range e.Attributes {
		if strings.EqualFold(a.Name, name) {
			a.Values = append(a.Values, string(value))
			return
		}
	}
	e.Attributes = append(e.Attributes, &goldap.EntryAttribute{Name: name, Values: []string{string(value)}})
}

// spec splits name: value, name:: base64 and refuses name:< URL, which would
// read any file.
func (r *ldifReader) spec(line []byte) (name string, value []byte, err error) {
	head, rest, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(head) == 0 {
		return "", nil, r.fault("neither name: value nor a comment")
	}
	name = string(head)
	plain, _, _ := strings.Cut(name, ";")
	if !attributePattern.MatchString(plain) {
		return "", nil, r.fault("%.40q is no attribute name: is this an LDIF dump?", name)
	}
	switch {
	case bytes.HasPrefix(rest, []byte("<")):
		return "", nil, r.fault("%s:< names a file to read, which is refused", name)
	case bytes.HasPrefix(rest, []byte(":")):
		value, err = base64.StdEncoding.DecodeString(string(bytes.TrimSpace(rest[1:])))
		if err != nil {
			return "", nil, r.fault("%s:: is not base64", name)
		}
		return name, value, nil
	}
	return name, bytes.TrimLeft(rest, " "), nil
}

// logical gives a line with its continuations joined and comments left out.
func (r *ldifReader) logical() ([]byte, error) {
	for {
		line, err := r.physical()
		if err != nil {
			return nil, err
		}
		if len(line) > 0 && line[0] == ' ' {
			return nil, r.fault("a continuation without a line before it")
		}
		for {
			more, err := r.physical()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if len(line) == 0 || len(more) == 0 || more[0] != ' ' {
				r.unread(more)
				break
			}
			if len(line)+len(more) > maxRecord {
				return nil, r.fault("the line is larger than %d bytes", maxRecord)
			}
			line = append(line, more[1:]...)
		}
		if len(line) > 0 && line[0] == '#' {
			continue
		}
		return line, nil
	}
}

// unread puts a line back that belongs to what follows.
func (r *ldifReader) unread(line []byte) {
	r.peeked = line
	if r.peeked == nil {
		r.peeked = []byte{}
	}
	r.line--
}

// physical gives one line without its end.
func (r *ldifReader) physical() ([]byte, error) {
	if r.peeked != nil {
		line := r.peeked
		r.peeked = nil
		r.line++
		return line, nil
	}
	if r.ended {
		return nil, io.EOF
	}
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(line) > maxLine {
				r.line++
				return nil, r.fault("the line is longer than %d bytes", maxLine)
			}
			continue
		case errors.Is(err, io.EOF):
			r.ended = true
			if len(line) == 0 {
				return nil, io.EOF
			}
		case err != nil:
			return nil, err
		}
		r.line++
		return bytes.TrimRight(line, "\r\n"), nil
	}
}
