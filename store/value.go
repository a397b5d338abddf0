package store

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/rollcall-sync/rollcall/workspace"
)

// null stores the empty text as NULL.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// value turns an argument into what both drivers take. Bytes become text:
// SQLite would keep them as a blob, which no text equals.
func value(a any) (driver.Value, error) {
	switch v := a.(type) {
	case string:
		return a, storable(v) // the same box: a new one is an allocation for each text
	case nil, int64, bool:
		return v, nil
	case int:
		return int64(v), nil
	case workspace.Micros:
		return int64(v), nil
	case []byte:
		s := textOf(v)
		return s, storable(s)
	case driver.Valuer:
		return v.Value()
	}
	switch v := reflect.ValueOf(a); v.Kind() {
	case reflect.String:
		s := v.String()
		return s, storable(s)
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(v.Uint()), nil
	default:
		return nil, fmt.Errorf("store: argument of type %T", a)
	}
}

// textOf is bytes as text, without a copy: the reports of a unit are some KiB,
// and the drivers copy what they bind. Nobody may change the bytes before the
// statement has run.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// storable refuses what PostgreSQL cannot store, on both engines.
func storable(s string) error {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return ErrText
	}
	return nil
}

// assign writes a column to a destination; NULL becomes the zero value.
func assign(dest any, src driver.Value) error {
	switch d := dest.(type) {
	case *string:
		switch s := src.(type) {
		case string:
			*d = s
			return nil
		case nil:
			*d = ""
			return nil
		}
	case *int64:
		if s, ok := src.(int64); ok {
			*d = s
			return nil
		}
	case *int:
		if s, ok := src.(int64); ok {
			*d = int(s)
			return nil
		}
	case *workspace.Micros:
		if s, ok := src.(int64); ok {
			*d = workspace.Micros(s)
			return nil
		}
	case *[]byte:
		switch s := src.(type) {
		case string:
			*d = []byte(s)
			return nil
		case nil:
			*d = nil
			return nil
		}
	case *bool:
		switch s := src.(type) {
		case bool:
			*d = s
			return nil
		case int64:
			*d = s != 0
			return nil
		}
	case sql.Scanner:
		return d.Scan(src)
	}
	p := reflect.ValueOf(dest)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("store: cannot scan into %T", dest)
	}
	return assignKind(p.Elem(), src)
}

// assignKind is assign for types made of the basic ones.
func assignKind(d reflect.Value, src driver.Value) error {
	if src == nil {
		d.SetZero()
		return nil
	}
	switch s := src.(type) {
	case string:
		if d.Kind() == reflect.String {
			d.SetString(s)
			return nil
		}
	case bool:
		if d.Kind() == reflect.Bool {
			d.SetBool(s)
			return nil
		}
	case int64:
		switch {
		case d.CanInt() && !d.OverflowInt(s):
			d.SetInt(s)
			return nil
		case d.Kind() == reflect.Bool:
			d.SetBool(s != 0)
			return nil
		}
	}
	if d.Kind() == reflect.Pointer {
		d.Set(reflect.New(d.Type().Elem()))
		return assign(d.Interface(), src)
	}
	return fmt.Errorf("store: cannot scan %T into %s", src, d.Type())
}
