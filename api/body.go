package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxText is the longest text of a body in characters, where its field says
// nothing else.
const maxText = 1000

// maxDepth bounds the nesting of a body; no type of ours goes deeper than 3.
const maxDepth = 8

// read reads query and body. A body is read whole before anything is done, so
// that a slow client holds no place in the engine.
func (x *exchange) read() error {
	if err := x.readQuery(); err != nil {
		return err
	}
	var err error
	x.raw, err = io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, x.h.body))
	if err != nil {
		var size *http.MaxBytesError
		if errors.As(err, &size) {
			return err
		}
		return (&Problem{Status: http.StatusBadRequest, Code: "body", Detail: "The body could not be read to its end.", Remedy: "Send it again."}).causedBy(err)
	}
	if len(x.raw) == 0 {
		return nil
	}
	if x.route.body == nil {
		return &Problem{Status: http.StatusBadRequest, Code: "body", Detail: "This operation takes no body.", Remedy: "Leave it out."}
	}
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || x.r.Header.Get("Content-Encoding") != "" {
		return &Problem{Status: http.StatusUnsupportedMediaType, Code: "media_type", Detail: "Bodies are plain application/json.", Remedy: "Send Content-Type: application/json."}
	}
	return nil
}

// readQuery reads the query and refuses parameters that the route does not
// have, or has once.
func (x *exchange) readQuery() error {
	var err error
	if x.query, err = url.ParseQuery(x.r.URL.RawQuery); err != nil {
		return invalid(header("query", "it cannot be read", "escape special characters"))
	}
	known := x.route.parameters()
	var bad []FieldError
	for name, values := range x.query {
		i := slices.IndexFunc(known, func(p parameter) bool { return p.name == name })
		switch {
		case i < 0:
			bad = append(bad, header(name, "this operation has no such parameter", onlyThese(known)))
		case len(values) > 1:
			bad = append(bad, header(name, "it stands twice", "give it once"))
		default:
			p := known[i]
			if len(p.enum) > 0 && !slices.Contains(p.enum, values[0]) {
				bad = append(bad, header(name, strconv.Quote(values[0])+" is not one of its values", "use "+strings.Join(p.enum, ", ")))
			}
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.SortFunc(bad, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
	return invalid(bad...)
}

// onlyThese is the remedy for a parameter that is not known.
func onlyThese(known []parameter) string {
	if len(known) == 0 {
		return "leave it out: it has none"
	}
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].name
	}
	return "leave it out, or use " + strings.Join(names, ", ")
}

// decode reads a body into v, a pointer to a struct. Fields that the type does
// not have, fields that stand twice, values of other types and values outside
// what the type's tags allow are refused, all at once.
func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var w walker
	if err := w.value(d, "", reflect.TypeOf(v).Elem(), 0); err != nil {
		return notJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return notJSON(errors.New("something follows the value"))
	}
	if !utf8.Valid(raw) {
		return notJSON(errors.New("it is not UTF-8"))
	}
	if len(w.bad) > 0 {
		return invalid(w.bad...)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return notJSON(err)
	}
	return nil
}

func notJSON(cause error) *Problem {
	return (&Problem{Status: http.StatusBadRequest, Code: "json", Detail: "The body is not the JSON object that this operation takes.", Remedy: "See /v1/openapi.json."}).causedBy(cause)
}

// walker walks a JSON text beside the type that it is for.
type walker struct{ bad []FieldError }

func (w *walker) fault(at, reason, remedy string) {
	w.bad = append(w.bad, FieldError{Field: at, Reason: reason, Remedy: remedy})
}

// value walks one value; t nil skips it.
func (w *walker) value(d *json.Decoder, at string, t reflect.Type, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deep")
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	for t != nil && t.Kind() == reflect.Pointer {
		if t = t.Elem(); token == nil {
			return nil
		}
	}
	delim, _ := token.(json.Delim)
	if delim == ']' || delim == '}' {
		return errors.New("unexpected end")
	}
	if t != nil && !fits(token, t) {
		w.fault(at, "it is of another type", "give "+typeName(t))
		t = nil
	}
	switch delim {
	case '{':
		return w.object(d, at, t, depth)
	case '[':
		var elem reflect.Type
		if t != nil {
			elem = t.Elem()
		}
		for i := 0; d.More(); i++ {
			if err := w.value(d, at+"/"+strconv.Itoa(i), elem, depth+1); err != nil {
				return err
			}
		}
		_, err = d.Token()
	}
	return err
}

func (w *walker) object(d *json.Decoder, at string, t reflect.Type, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		field := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		var of reflect.Type
		var tags reflect.StructField
		if seen[name] {
			w.fault(field, "it stands twice", "give it once")
		} else if t != nil {
			var ok bool
			if tags, ok = fieldNamed(t, name); ok {
				of = tags.Type
			} else {
				w.fault(field, "there is no such field", "leave it out")
			}
		}
		seen[name] = true
		if of == nil {
			if err := w.value(d, field, nil, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := w.tagged(d, field, tags, depth); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil || t == nil {
		return err
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if name := fieldName(f); f.Tag.Get("required") == "true" && !seen[name] {
			w.fault(at+"/"+name, "it is missing", "give "+typeName(f.Type))
		}
	}
	return nil
}

// tagged walks the value of a field and judges it by the field's tags.
func (w *walker) tagged(d *json.Decoder, at string, f reflect.StructField, depth int) error {
	before := len(w.bad)
	var keep json.RawMessage
	if err := d.Decode(&keep); err != nil {
		return err
	}
	inner := json.NewDecoder(bytes.NewReader(keep))
	inner.UseNumber()
	if err := w.value(inner, at, f.Type, depth+1); err != nil || len(w.bad) > before {
		return err
	}
	var text string
	if err := json.Unmarshal(keep, &text); err != nil {
		var list []json.RawMessage
		limit, most := f.Tag.Lookup("max")
		if most && json.Unmarshal(keep, &list) == nil {
			if n, err := strconv.Atoi(limit); err == nil && len(list) > n {
				w.fault(at, "it has more than "+limit+" entries", "send fewer")
			}
		}
		return nil
	}
	w.text(at, text, f)
	return nil
}

// text judges a string by the tags of its field.
func (w *walker) text(at, text string, f reflect.StructField) {
	if of := f.Type; of.Kind() != reflect.String && (of.Kind() != reflect.Pointer || of.Elem().Kind() != reflect.String) {
		return
	}
	if enum := f.Tag.Get("enum"); enum != "" && !slices.Contains(strings.Split(enum, ","), text) {
		w.fault(at, strconv.Quote(text)+" is not one of its values", "use "+strings.ReplaceAll(enum, ",", ", "))
	}
	limit := maxText
	if n, err := strconv.Atoi(f.Tag.Get("max")); err == nil {
		limit = n
	}
	if utf8.RuneCountInString(text) > limit {
		w.fault(at, fmt.Sprintf("it is longer than %d characters", limit), "shorten it")
	}
	if strings.IndexByte(text, 0) >= 0 {
		w.fault(at, "it has a NUL character", "leave it out")
	}
	if f.Tag.Get("format") == "date-time" && text != "" {
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			w.fault(at, strconv.Quote(text)+" is no moment", "write it as 2026-12-31T17:00:00Z")
		}
	}
	if f.Tag.Get("required") == "true" && text == "" {
		w.fault(at, "it is empty", "give a value")
	}
}

// fieldName is the JSON name of a field, "" for none.
func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// fieldNamed finds a field by its exact JSON name.
func fieldNamed(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); name != "" && fieldName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// fits reports whether a token may begin a value of a type.
func fits(token json.Token, t reflect.Type) bool {
	switch v := token.(type) {
	case json.Delim:
		return v == '{' && t.Kind() == reflect.Struct || v == '[' && t.Kind() == reflect.Slice
	case string:
		return t.Kind() == reflect.String
	case json.Number:
		_, err := v.Int64()
		return t.Kind() == reflect.Int && err == nil
	case bool:
		return t.Kind() == reflect.Bool
	default:
		return false
	}
}

// typeName is what people call a type.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "a list"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	default:
		return "a whole number"
	}
}
