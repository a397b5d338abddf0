package scim

import (
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
)

// The sizes of pages of scim section 4.8.
const (
	defaultCount = 100
	maxCount     = 1000
)

// listQuery reads the parameters of a list: filter, startIndex and count (RFC
// 7644 sections 3.4.2.2 and 3.4.2.4). Sorting is not supported and ignored, as
// the RFC has it for providers without it.
func (x *exchange) listQuery(rt *ResourceType, table *SQLTable) (store.UserQuery, error) {
	q := store.UserQuery{Connection: x.link.connection, Start: 1, Count: defaultCount}
	if len(x.query) == 0 {
		return q, nil
	}
	var err error
	if q.Start, err = x.integer("startIndex", 1); err != nil {
		return q, err
	}
	if q.Count, err = x.integer("count", defaultCount); err != nil {
		return q, err
	}
	q.Start = max(q.Start, 1)
	q.Count = min(max(q.Count, 0), maxCount)
	values, stated := x.query["filter"]
	if !stated {
		return q, nil
	}
	if len(values) > 1 {
		return q, errInvalidFilter("", "filter is given twice")
	}
	text := strings.TrimSpace(values[0])
	if text == "" {
		return q, nil
	}
	filter, err := ParseFilter(text, rt, x.link.filter)
	if err != nil {
		return q, err
	}
	// The columns have their order by themselves on both engines.
	q.Where, q.Args, err = CompileSQL(filter, table, x.link.workspace, "")
	return q, err
}

// integer reads an integer parameter; one out of the range of int is the
// nearest one in it.
func (x *exchange) integer(name string, other int) (int, error) {
	text := strings.TrimSpace(x.query.Get(name))
	if text == "" {
		return other, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil && strings.Trim(text, "+-0123456789") != "" {
		return 0, errInvalidValue("", "%s must be an integer", name)
	}
	return int(n), nil
}

// list sends a ListResponse. An error before the first bytes have gone out is
// still an answer of its own.
func (x *exchange) list(total, start int, p Projection, items iter.Seq2[*Resource, error]) error {
	x.w.Header()["Content-Type"] = contentType
	_, err := WriteList(listWriter{x}, total, start, items, p)
	return err
}

// listWriter sends the head of a list with its first bytes.
type listWriter struct{ x *exchange }

func (w listWriter) Write(b []byte) (int, error) {
	if !w.x.begun {
		w.x.head(http.StatusOK)
	}
	return w.x.w.Write(b)
}
