package scim

import (
	"iter"
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
)

// The sizes of pages of scim section 4.8.
const (
	defaultCount = 100
	maxCount     = 1000
)

// answerSearch makes a list and sends it.
func (x *exchange) answerSearch(s search, sources []source) error {
	l, err := x.newListing(s, sources)
	if err != nil {
		return err
	}
	release, err := l.turn()
	if err != nil {
		return err
	}
	defer release()
	if err := x.link.handle.View(x.r.Context(), l.load); err != nil {
		return err
	}
	head := ListHead{Total: l.total, Start: l.start, Cursor: l.paged}
	if l.paged && len(l.found) > l.count {
		l.found = l.found[:l.count]
		if head.Next, err = l.next(&l.found[l.count-1]); err != nil {
			return err
		}
	}
	return x.list(head, l.each, func(res *Resource) Projection {
		for i := range l.parts {
			if l.parts[i].resourceType() == res.Type {
				return l.parts[i].projection
			}
		}
		return Projection{}
	})
}

// turn lets the lists of one connection that must walk wait for each other, so
// that they never take more than one reader of the store.
func (l *listing) turn() (release func(), err error) {
	for i := range l.parts {
		if l.parts[i].rest != nil || l.order.by != "" && len(l.parts) > 1 {
			return l.x.h.turns.take(l.x.r.Context(), "walk "+l.x.link.workspace+" "+l.x.link.connection)
		}
	}
	return func() {}, nil
}

// load reads the list and what its page shows, on one snapshot.
func (l *listing) load(r *store.Reader) error {
	if done, err := l.byCreation(r); done || err != nil {
		return err
	}
	if err := l.read(r); err != nil {
		return err
	}
	return l.fill(r)
}

// fill makes the resources of the page, type by type.
func (l *listing) fill(r *store.Reader) error {
	page := l.found[:min(len(l.found), l.count)]
	for i := range l.parts {
		var own []entry
		var at []int
		for k := range page {
			if page[k].part == i {
				own, at = append(own, page[k]), append(at, k)
			}
		}
		if len(own) == 0 {
			continue
		}
		if err := l.parts[i].fill(r, own, l.parts[i].projection); err != nil {
			return err
		}
		for k := range own {
			page[at[k]].res = own[k].res
		}
	}
	return nil
}

// byCreation reads the lists that clients ask for most, Users or Groups in the
// order of creation by index: the store seeks from remembered keys, and a
// filtered page costs one statement.
func (l *listing) byCreation(r *store.Reader) (done bool, err error) {
	p := &l.parts[0]
	if len(l.parts) > 1 || l.paged || l.order.by != "" || p.rest != nil {
		return false, nil
	}
	q := p.q
	q.Start, q.Count = l.start, l.count
	switch p.source.(type) {
	case userSource:
		total, page, err := r.Users(q)
		if err != nil {
			return true, err
		}
		l.total = total
		for i := range page {
			l.found = append(l.found, entry{identity: &page[i]})
		}
	case groupSource:
		total, page, err := r.DirectoryGroups(q)
		if err != nil {
			return true, err
		}
		l.total = total
		for i := range page {
			l.found = append(l.found, entry{group: &page[i]})
		}
	default:
		return false, nil
	}
	return true, l.fill(r)
}

// next is the cursor behind an entry.
func (l *listing) next(last *entry) (string, error) {
	return l.seal.encode(cursor{
		Part: last.part, Absent: last.place.Absent, Text: last.place.Text, Number: last.place.Number, ID: last.place.ID,
		Count: l.count, At: l.x.start.UnixMicro(),
	})
}

// each yields the resources of the page.
func (l *listing) each(yield func(*Resource, error) bool) {
	for i := range l.found {
		if !yield(l.found[i].res, nil) {
			return
		}
	}
}

// list sends a ListResponse. An error before the first bytes have gone out is
// still an answer of its own.
func (x *exchange) list(head ListHead, items iter.Seq2[*Resource, error], p func(*Resource) Projection) error {
	x.w.Header()["Content-Type"] = contentType
	_, err := WriteList(listWriter{x}, head, items, p)
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
