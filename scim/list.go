package scim

import (
	"io"
	"iter"
	"strconv"
)

// listSchema is the message URN of a list (RFC 7644 section 3.4.2).
const listSchema = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// ListHead is what stands in a ListResponse beside its resources.
type ListHead struct {
	Total int // Results over all pages.
	Start int // Index of the first one, from 1; not shown under a cursor.
	// Cursor says that the list is paged by cursor (RFC 9865); Next is empty on
	// the last page.
	Cursor bool
	Next   string
}

// WriteList writes a ListResponse (RFC 7644 section 3.4.2, RFC 9865 section 2);
// itemsPerPage is the number of resources that items yields, each shown by its
// projection p. Resources is [] when there are none. Only about 32 KiB are
// buffered; nothing is written before that much is there or the list is
// complete, so an early error of items can still become another answer. An
// error that comes later leaves the body torn, and the caller must break the
// connection. written tells the two apart.
func WriteList(w io.Writer, head ListHead, items iter.Seq2[*Resource, error], p func(*Resource) Projection) (written bool, err error) {
	counted := &countingWriter{w: w}
	r := renderer{b: make([]byte, 0, 4<<10), w: counted}
	r.b = append(r.b, `{"schemas":["`+listSchema+`"],"totalResults":`...)
	r.b = strconv.AppendInt(r.b, int64(head.Total), 10)
	if !head.Cursor {
		r.b = append(r.b, `,"startIndex":`...)
		r.b = strconv.AppendInt(r.b, int64(head.Start), 10)
	}
	if head.Next != "" {
		r.b = append(r.b, `,"nextCursor":`...)
		r.b = appendString(r.b, head.Next)
	}
	r.b = append(r.b, `,"Resources":[`...)
	n := 0
	for res, err := range items {
		if err != nil {
			return counted.n > 0, err
		}
		if n > 0 {
			r.b = append(r.b, ',')
		}
		r.res, r.p = res, p(res)
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
