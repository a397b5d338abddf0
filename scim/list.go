package scim

import (
	"io"
	"iter"
	"strconv"
)

// listSchema is the message URN of a list (RFC 7644 section 3.4.2).
const listSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// WriteList writes a ListResponse (RFC 7644 section 3.4.2): total is the number
// of results over all pages, startIndex counts from 1, itemsPerPage is the
// number of resources that items yields. Resources is [] when there are none.
// Only about 32 KiB are buffered; nothing is written before that much is there
// or the list is complete, so an early error of items can still become another
// answer. An error that comes later leaves the body torn, and the caller must
// break the connection. written tells the two apart.
func WriteList(w io.Writer, total, startIndex int, items iter.Seq2[*Resource, error], p Projection) (written bool, err error) {
	counted := &countingWriter{w: w}
	r := renderer{b: make([]byte, 0, 4<<10), p: p, w: counted}
	r.b = append(r.b, `{"schemas":["`+listSchema+`"],"totalResults":`...)
	r.b = strconv.AppendInt(r.b, int64(total), 10)
	r.b = append(r.b, `,"startIndex":`...)
	r.b = strconv.AppendInt(r.b, int64(startIndex), 10)
	r.b = append(r.b, `,"Resources":[`...)
	n := 0
	for res, err := range items {
		if err != nil {
			return counted.n > 0, err
		}
		if n > 0 {
			r.b = append(r.b, ',')
		}
		r.res = res
		r.resource()
		n++
		r.flush()
		if r.err != nil {
			return counted.n > 0, r.err
		}
	}
	r.b = append(r.b, `],"itemsPerPage":`...)
	r.b = append(strconv.AppendInt(r.b, int64(n), 10), '}')
	_, err = counted.Write(r.b)
	return true, err
}

// countingWriter remembers whether anything went out.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
