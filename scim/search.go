package scim

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// searchSchema is the message URN of a search by POST (RFC 7644 section
// 3.4.3).
const searchSchema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

// search is what a client asks of a list, by query (RFC 7644 section 3.4.2) or
// by body (section 3.4.3): both are the same code from here on.
type search struct {
	attributes, excluded string
	filter               string
	sortBy, sortOrder    string
	start, count         *int    // nil: not stated
	cursor               *string // nil: paging by index; "" is the first page
}

// querySearch reads the parameters of a query.
func (x *exchange) querySearch() (search, error) {
	var s search
	if len(x.query) == 0 {
		return s, nil
	}
	if len(x.query["filter"]) > 1 {
		return s, errInvalidFilter("", "filter is given twice")
	}
	s.attributes, s.excluded = x.parameter("attributes"), x.parameter("excludedAttributes")
	s.filter, s.sortBy, s.sortOrder = x.query.Get("filter"), x.query.Get("sortBy"), x.query.Get("sortOrder")
	var err error
	if s.start, err = x.integer("startIndex"); err != nil {
		return s, err
	}
	if s.count, err = x.integer("count"); err != nil {
		return s, err
	}
	if x.query.Has("cursor") {
		cursor := x.query.Get("cursor")
		s.cursor = &cursor
	}
	return s, nil
}

// integer reads an integer parameter, nil if it is not stated.
func (x *exchange) integer(name string) (*int, error) {
	text := strings.TrimSpace(x.query.Get(name))
	if text == "" {
		return nil, nil
	}
	return readInteger(name, text)
}

// readInteger reads an integer; one out of the range of int is the nearest one
// in it.
func readInteger(name, text string) (*int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errInvalidValue("", "%s must be an integer", name)
	}
	small := int(n)
	return &small, nil
}

// searchNames are the attributes of a SearchRequest.
var searchNames = []string{"schemas", "attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "startIndex", "count", "cursor"}

// bodySearch reads the body of a search by POST.
func (x *exchange) bodySearch() (search, error) {
	var s search
	body, err := x.body(x.h.userBody)
	if err != nil {
		return s, err
	}
	raw, err := parseJSON(body)
	if err != nil {
		return s, err
	}
	o, ok := raw.(object)
	if !ok {
		return s, errInvalidSyntax("", "the body must be a JSON object, not %s", describe(raw))
	}
	r := reader{profile: x.link.profile}
	if err := r.message(o, searchSchema); err != nil {
		return s, err
	}
	for i := range o {
		if err := s.take(&r, o[i].name, o[i].value); err != nil {
			return s, err
		}
	}
	x.note(r.notes)
	return s, nil
}

// message checks that a body says of itself which message it is.
func (r *reader) message(o object, urn string) error {
	raw, _ := o.get("schemas")
	list, _ := raw.([]any)
	for _, e := range list {
		if text, ok := e.(string); ok && sameName(text, urn) {
			return nil
		}
	}
	if !r.tolerate(TL02, "schemas") {
		return errInvalidSyntax("TL02", "schemas must list %s", urn)
	}
	return nil
}

// take reads one member of a SearchRequest.
func (s *search) take(r *reader, name string, raw any) error {
	canonical := ""
	for _, known := range searchNames {
		if sameName(known, name) {
			canonical = known
		}
	}
	if canonical == "" {
		if !r.tolerate(TL12, name) {
			return errInvalidSyntax("TL12", "a search has no attribute %q", shorten(name))
		}
		return nil
	}
	if raw == nil {
		return nil
	}
	var err error
	switch canonical {
	case "attributes":
		s.attributes, err = r.names(canonical, raw)
	case "excludedAttributes":
		s.excluded, err = r.names(canonical, raw)
	case "filter":
		s.filter, err = searchText(canonical, raw)
	case "sortBy":
		s.sortBy, err = searchText(canonical, raw)
	case "sortOrder":
		s.sortOrder, err = searchText(canonical, raw)
	case "startIndex":
		s.start, err = r.integer(canonical, raw)
	case "count":
		s.count, err = r.integer(canonical, raw)
	case "cursor":
		var text string
		text, err = searchText(canonical, raw)
		s.cursor = &text
	}
	return err
}

func searchText(name string, raw any) (string, error) {
	text, ok := raw.(string)
	if !ok {
		return "", errInvalidSyntax("", "%s must be a string, not %s", name, describe(raw))
	}
	return text, nil
}

// names reads a list of attribute names; a lenient profile takes them in one
// text with commas too, as they stand in a query.
func (r *reader) names(name string, raw any) (string, error) {
	if text, ok := raw.(string); ok && r.tolerate(TL05, name) {
		return text, nil
	}
	list, ok := raw.([]any)
	if !ok {
		return "", errInvalidSyntax("", "%s must be a list of strings, not %s", name, describe(raw))
	}
	texts := make([]string, 0, len(list))
	for _, e := range list {
		text, err := searchText(name, e)
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ","), nil
}

// integer reads an integer of a SearchRequest.
func (r *reader) integer(name string, raw any) (*int, error) {
	text, isText := raw.(string)
	if !isText || !r.tolerate(TL04, name) {
		number, ok := raw.(interface{ Int64() (int64, error) })
		if !ok {
			return nil, errInvalidValue("", "%s must be an integer", name)
		}
		text = numberText(number)
	}
	return readInteger(name, strings.TrimSpace(text))
}

// numberText is an integer as text; what is none is not read as one.
func numberText(number interface{ Int64() (int64, error) }) string {
	n, err := number.Int64()
	if err != nil {
		return "no integer"
	}
	return strconv.FormatInt(n, 10)
}

// search answers a search by POST or a list by GET over some resource types.
func (x *exchange) search(sources ...source) error {
	var s search
	var err error
	if x.r.Method == http.MethodPost {
		s, err = x.bodySearch()
	} else {
		s, err = x.querySearch()
	}
	if err != nil {
		return err
	}
	return x.answerSearch(s, sources)
}
