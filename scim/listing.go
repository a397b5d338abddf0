package scim

import (
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
)

// The bounds on the work of a list whose filter SQL cannot decide alone.
const (
	// maxScanned is how many rows one request may look at, what SQL has ruled
	// out not counted: resources, and members of Groups.
	maxScanned = 100_000
	// scanPage is how many of them are in memory at a time.
	scanPage = 500
)

// listing is one list being made, over one or more resource types.
type listing struct {
	x     *exchange
	parts []part
	order sorting
	start int // From 1.
	count int
	// paged is set for paging by cursor; after is where the page begins, nil
	// for the first one.
	paged bool
	after *cursor
	seal  cursorSeal

	total   int
	found   []entry
	scanned int
}

// part is what a listing reads of one type.
type part struct {
	source
	q store.UserQuery
	// rest decides about what SQL lets through; nil if SQL decides alone.
	rest       Filter
	whole      Projection // Of documents that rest judges.
	projection Projection
}

// newListing resolves a search over some types.
func (x *exchange) newListing(s search, sources []source) (*listing, error) {
	l := &listing{x: x, start: 1, count: defaultCount, paged: s.cursor != nil}
	if s.start != nil {
		l.start = max(*s.start, 1)
	}
	if s.count != nil {
		l.count = min(max(*s.count, 0), maxCount)
	}
	var err error
	if l.order, err = readSorting(&s, sources, x.filterOptions()); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(s.filter)
	filters, err := x.readFilters(text, sources)
	if err != nil {
		return nil, err
	}
	for i, src := range sources {
		p := part{source: src, q: store.UserQuery{Connection: x.link.connection, Sort: l.order.key(src)}}
		if p.projection, err = ParseProjection(s.attributes, s.excluded, src.resourceType()); err != nil {
			return nil, err
		}
		if filters != nil {
			narrowed, table := filters[i], src.table()
			if table == &UserTable {
				if narrowed, table, err = x.effectiveGroups(filters[i]); err != nil {
					return nil, err
				}
			}
			if err := p.filter(filters[i], narrowed, table, x.link.workspace); err != nil {
				return nil, err
			}
		}
		l.parts = append(l.parts, p)
	}
	if l.paged {
		err = l.openCursor(&s, text)
	}
	return l, err
}

// filterOptions are the connection's tolerances, counted for this request.
func (x *exchange) filterOptions() FilterOptions {
	opt := x.link.filter
	opt.OnTolerance = func(id string) { x.note(Notes{{Rule: id, Attribute: "filter", Count: 1}}) }
	return opt
}

// readFilters reads the filter for each type; nil if there is none. In a search
// over several types an attribute need be known to one of them only.
func (x *exchange) readFilters(text string, sources []source) ([]Filter, error) {
	if text == "" {
		return nil, nil
	}
	filters := make([]Filter, len(sources))
	opt := x.filterOptions()
	for _, src := range sources[1:] {
		opt.others = append(opt.others, src.resourceType())
	}
	opt.others = append(opt.others, sources[0].resourceType())
	for i, src := range sources {
		rt := src.resourceType()
		f, err := ParseFilter(text, rt, opt)
		if err != nil {
			return nil, err
		}
		filters[i] = settle(f, rt)
		opt.OnTolerance = nil // Each is counted once.
	}
	return filters, nil
}

// filter divides a filter between SQL, which narrows by a filter that holds for
// the same resources, and what comes after it.
func (p *part) filter(f, narrowed Filter, table *SQLTable, workspace string) error {
	if table != nil {
		weaker, exact := narrow(narrowed, table)
		if !exact {
			p.rest = f
		}
		if isConstant(weaker, true) {
			return nil
		}
		var err error
		// The columns have their order by themselves on both engines.
		p.q.Where, p.q.Args, err = CompileSQL(weaker, table, workspace, "")
		return err
	}
	p.rest = f
	return nil
}

// openCursor checks a cursor against the list it is given to (RFC 9865).
func (l *listing) openCursor(s *search, filter string) error {
	endpoint := ""
	for i := range l.parts {
		endpoint += l.parts[i].resourceType().Endpoint
	}
	l.seal = cursorSeal{key: l.x.link.cursorKey, bound: []string{l.x.link.connection, endpoint, filter, l.order.by, strconv.FormatBool(l.order.desc)}}
	if s.start != nil {
		return errInvalidCursor()
	}
	if l.count < 1 {
		return errInvalidCount()
	}
	if *s.cursor == "" {
		return nil
	}
	c, err := l.seal.decode(*s.cursor, l.x.start)
	if err != nil {
		return err
	}
	if s.count != nil && l.count != c.Count {
		return errInvalidCount()
	}
	if c.Part < 0 || c.Part >= len(l.parts) {
		return errInvalidCursor()
	}
	l.count, l.after = c.Count, &c
	return nil
}

// read fills total and found. Under a cursor found has one entry more than the
// page if the list goes on.
func (l *listing) read(r *store.Reader) error {
	need, skip := l.count, l.start-1
	if l.paged {
		need, skip = l.count+1, 0
	}
	if l.order.by != "" && len(l.parts) > 1 {
		return l.merge(r, need, skip)
	}
	for i := range l.parts {
		p := &l.parts[i]
		if p.rest != nil {
			before := l.total
			err := l.scan(r, i, func(e entry) {
				if l.behind(&e) {
					if l.total-before > skip && len(l.found) < need {
						l.found = append(l.found, e)
					}
				}
			})
			if err != nil {
				return err
			}
			skip = max(skip-(l.total-before), 0)
			continue
		}
		total, err := p.count(r, p.q)
		if err != nil {
			return err
		}
		l.total += total
		if err := l.readPage(r, i, need-len(l.found), skip, total); err != nil {
			return err
		}
		skip = max(skip-total, 0)
	}
	return nil
}

// readPage reads what SQL decides alone.
func (l *listing) readPage(r *store.Reader, i, need, skip, total int) error {
	q := l.parts[i].q
	if need < 1 || skip >= total || l.after != nil && i < l.after.Part {
		return nil
	}
	q.Count, q.Start = need, skip+1
	if l.after != nil && i == l.after.Part {
		place := l.after.place()
		q.Behind = &place
	}
	entries, err := l.parts[i].page(r, q)
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.part = i
		l.found = append(l.found, e)
	}
	return nil
}

// behind reports whether an entry follows the cursor.
func (l *listing) behind(e *entry) bool {
	switch {
	case l.after == nil:
		return true
	case l.order.by == "" && e.part != l.after.Part:
		return e.part > l.after.Part
	}
	place := l.after.place()
	if sign := l.order.compare(&e.place, &place); sign != 0 {
		return sign > 0
	}
	return e.part > l.after.Part
}

// scan walks a part in its order and calls take for each entry that the filter
// accepts; it counts them in total.
func (l *listing) scan(r *store.Reader, i int, take func(entry)) error {
	w := walker{l: l, part: i}
	for {
		e, err := w.next(r)
		if err != nil || e == nil {
			return err
		}
		l.total++
		take(*e)
	}
}

// merge reads a sorted list over several types: one walk over each, and always
// the first of those that stand at the front. Without a rest to judge it ends
// with the page.
func (l *listing) merge(r *store.Reader, need, skip int) error {
	walkers := make([]walker, len(l.parts))
	fronts := make([]*entry, len(l.parts))
	whole := false
	for i := range l.parts {
		walkers[i] = walker{l: l, part: i}
		if l.parts[i].rest != nil {
			whole = true
		}
	}
	if !whole {
		for i := range l.parts {
			n, err := l.parts[i].count(r, l.parts[i].q)
			if err != nil {
				return err
			}
			l.total += n
		}
	}
	for i := range walkers {
		var err error
		if fronts[i], err = walkers[i].next(r); err != nil {
			return err
		}
	}
	for seen := 0; whole || len(l.found) < need; seen++ {
		first := -1
		for i, e := range fronts {
			if e != nil && (first < 0 || l.order.compare(&e.place, &fronts[first].place) < 0) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		e := fronts[first]
		if whole {
			l.total++
		}
		if seen >= skip && len(l.found) < need && l.behind(e) {
			l.found = append(l.found, *e)
		}
		var err error
		if fronts[first], err = walkers[first].next(r); err != nil {
			return err
		}
	}
	return nil
}

// walker walks one part page by page.
type walker struct {
	l     *listing
	part  int
	page  []entry
	place *store.SortPlace
	ended bool
}

// next gives the next entry that the part's filter accepts, nil at the end.
// Over maxScanned it fails with *Error 400 tooMany.
func (w *walker) next(r *store.Reader) (*entry, error) {
	p := &w.l.parts[w.part]
	for {
		for len(w.page) > 0 {
			e := &w.page[0]
			w.page = w.page[1:]
			if p.rest == nil {
				return e, nil
			}
			doc, err := e.res.judged(p.whole)
			if err != nil {
				return nil, err
			}
			if Match(p.rest, doc, p.resourceType()) {
				return e, nil
			}
		}
		if w.ended {
			return nil, nil
		}
		if err := w.turn(r); err != nil {
			return nil, err
		}
	}
}

// turn reads the next page.
func (w *walker) turn(r *store.Reader) error {
	p := &w.l.parts[w.part]
	q := p.q
	q.Count, q.Behind = scanPage, w.place
	page, err := p.page(r, q)
	if err != nil {
		return err
	}
	w.page, w.ended = page, len(page) < scanPage
	if len(page) == 0 {
		return nil
	}
	place := page[len(page)-1].place
	w.place = &place
	rows := len(page)
	for i := range page {
		page[i].part = w.part
	}
	if p.rest != nil {
		if p.whole.names == nil {
			p.whole = wholeProjection(p.resourceType())
		}
		if rows, err = p.judge(r, page, p.rest); err != nil {
			return err
		}
	}
	if w.l.scanned += rows; w.l.scanned > maxScanned {
		return errTooMany("", "the request would look at more than %d resources. Remedy: add a term on an attribute that narrows it, such as userName, externalId or emails, or read the list in pages", maxScanned)
	}
	return nil
}
