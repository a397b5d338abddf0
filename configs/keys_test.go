package configs

import (
	"encoding"
	"reflect"
)

// keys lists every key of the configuration by walking its types.
func keys() []string {
	var names []string
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
			return
		}
		seen[t] = true
		for i := range t.NumField() {
			switch name := t.Field(i).Tag.Get("yaml"); name {
			case "", "-":
			case ",inline":
				walk(t.Field(i).Type)
			default:
				names = append(names, name)
				walk(t.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
	return names
}
