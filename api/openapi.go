package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// parameters lists the query parameters of a route, those of all writes
// included.
func (r *route) parameters() []parameter {
	out := r.query
	if r.writes {
		out = append(out[:len(out):len(out)], parameter{name: "dry_run", text: "true: tell what would happen, change nothing", enum: []string{"true", "false"}})
	}
	return out
}

type object = map[string]any

// openAPI makes the OpenAPI 3.1 document from the table of routes and the Go
// types in it.
func openAPI(table []route, version string) ([]byte, error) {
	g := &generator{schemas: object{}}
	g.ref(reflect.TypeFor[Problem]())
	g.ref(reflect.TypeFor[holdView]())
	g.ref(reflect.TypeFor[previewView]())
	paths := object{}
	for i := range table {
		r := &table[i]
		item, ok := paths[r.path].(object)
		if !ok {
			item = object{}
			paths[r.path] = item
		}
		item[strings.ToLower(r.method)] = g.operation(r)
	}
	if version == "" {
		version = "unknown"
	}
	webhooks := g.webhooks() // names shapes too, so before they are written
	return json.MarshalIndent(object{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info": object{
			"title": "Rollcall", "version": version,
			"description": "Members, groups, numbers and invitations of a team-phone workspace. Every write is judged by the role matrix with the role of the acting member.",
		},
		"paths": paths, "webhooks": webhooks,
		"components": object{
			"schemas":         g.schemas,
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "description": "a token of a connection of kind api; an administrator makes it: rollcall token create --connection ID --api"}},
		},
	}, "", "  ")
}

// generator collects the schemas of named types.
type generator struct{ schemas object }

func (g *generator) operation(r *route) object {
	op := object{"operationId": r.id, "summary": r.summary, "tags": []string{tagOf(r.path)}}
	var params []object
	for _, segment := range strings.Split(r.path, "/") {
		if strings.HasPrefix(segment, "{") {
			params = append(params, object{"name": strings.Trim(segment, "{}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, p := range r.parameters() {
		schema := object{"type": "string"}
		if p.number {
			schema = object{"type": "integer", "minimum": 1, "maximum": maxPage}
		}
		if len(p.enum) > 0 {
			schema["enum"] = p.enum
		}
		params = append(params, object{"name": p.name, "in": "query", "description": p.text, "required": p.required, "schema": schema})
	}
	inHead := func(name, text string, required bool, schema object) {
		params = append(params, object{"name": name, "in": "header", "description": text, "required": required, "schema": schema})
	}
	text := object{"type": "string"}
	if r.acting {
		inHead(memberHeader, "the acting member, by id or address; the role matrix judges with their role", true, text)
	}
	if r.writes {
		inHead(channelHeader, "where the member acts (R23)", false, object{"type": "string", "enum": []string{"api", "console", "mobile"}, "default": "api"})
		inHead(keyHeader, "a request that is sent again with the same key within 24 hours gets its first answer", false, object{"type": "string", "maxLength": maxKey})
	}
	if r.match {
		inHead("If-Match", "write only if the resource still has this entity tag", false, text)
	}
	if r.etag {
		inHead("If-None-Match", "answer 304 if the resource still has this entity tag", false, text)
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if r.body != nil {
		of := reflect.TypeOf(r.body)
		op["requestBody"] = object{"required": demanding(of), "content": object{"application/json": object{"schema": g.schema(of)}}}
	}
	op["responses"] = g.responses(r)
	if r.scope != "" {
		op["security"] = []object{{"bearer": []string{}}}
		op["x-rollcall-scope"] = r.scope
	} else {
		op["security"] = []object{}
	}
	return op
}

// demanding reports whether a body has to be there: no body is an empty one.
func demanding(body reflect.Type) bool {
	for i := range body.NumField() {
		if body.Field(i).Tag.Get("required") == "true" {
			return true
		}
	}
	return false
}

// webhooks are the events that receivers are sent (Standard Webhooks).
func (g *generator) webhooks() object {
	head := func(name, text string) object {
		return object{"name": name, "in": "header", "description": text, "required": true, "schema": object{"type": "string"}}
	}
	event := g.ref(reflect.TypeFor[eventView]())
	out := object{}
	for _, t := range workspace.EventTypes() {
		named := object{"properties": object{"type": object{"const": t.Name}}}
		out[t.Name] = object{"post": object{
			"operationId": "event." + t.Name, "summary": t.Text, "tags": []string{"events"}, "security": []object{},
			"parameters": []object{
				head("webhook-id", "of the event, the same on every try: drop what you have seen"),
				head("webhook-timestamp", "seconds since 1970, of this try"),
				head("webhook-signature", "v1, and base64 of HMAC-SHA256 over id.timestamp.body; two while a secret rotates"),
			},
			"requestBody": object{"required": true, "content": object{"application/json": object{"schema": object{"allOf": []object{event, named}}}}},
			"responses": object{
				"2XX": object{"description": "Acted upon. Anything else is sent again."},
				"410": object{"description": "Gone: the receiver is disabled until a person resumes it."},
			},
		}}
	}
	return out
}

// tagOf groups operations by the first word of the path behind /v1.
func tagOf(path string) string {
	tag, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	return strings.TrimSuffix(tag, ".json")
}

// problems lists the statuses of problems that a route may answer with.
func (r *route) problems() []int {
	codes := append([]int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}, r.problem...)
	if r.scope != "" {
		codes = append(codes, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
	}
	if strings.Contains(r.path, "{") {
		codes = append(codes, http.StatusNotFound)
	}
	if r.writes {
		codes = append(codes, http.StatusConflict)
	}
	if r.body != nil {
		codes = append(codes, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if r.match {
		codes = append(codes, http.StatusPreconditionFailed)
	}
	return codes
}

func (g *generator) responses(r *route) object {
	out := object{}
	for _, code := range r.problems() {
		out[strconv.Itoa(code)] = object{
			"description": http.StatusText(code),
			"content":     object{"application/problem+json": object{"schema": g.ref(reflect.TypeFor[Problem]())}},
		}
	}
	success := object{"description": http.StatusText(r.status)}
	var schema object
	if r.answer != nil {
		schema = g.schema(reflect.TypeOf(r.answer))
	}
	if r.writes {
		out["202"] = object{"description": "Held: a person must agree", "content": object{"application/json": object{"schema": g.ref(reflect.TypeFor[holdView]())}}}
		preview := g.ref(reflect.TypeFor[previewView]())
		if r.status == http.StatusOK && schema != nil {
			schema = object{"anyOf": []object{schema, preview}}
		} else {
			out["200"] = object{"description": "What a dry run would do", "content": object{"application/json": object{"schema": preview}}}
		}
	}
	if schema != nil {
		success["content"] = object{"application/json": object{"schema": schema}}
	}
	if r.etag {
		success["headers"] = object{"ETag": object{"schema": object{"type": "string"}}}
		out["304"] = object{"description": http.StatusText(http.StatusNotModified)}
	}
	out[strconv.Itoa(r.status)] = success
	return out
}

// ref puts a struct type among the components and gives a reference to it.
func (g *generator) ref(t reflect.Type) object {
	name := schemaName(t)
	if _, done := g.schemas[name]; !done {
		g.schemas[name] = object{} // A type that holds itself finds its place taken.
		g.schemas[name] = g.structure(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// schemaName is a type's name in the document: memberView is Member,
// page[api.memberView] is MemberPage.
func schemaName(t reflect.Type) string {
	name := t.Name()
	if rest, ok := strings.CutPrefix(name, "page["); ok {
		rest = strings.TrimSuffix(rest, "]")
		return title(strings.TrimSuffix(rest[strings.LastIndexByte(rest, '.')+1:], "View")) + "Page"
	}
	return title(strings.TrimSuffix(name, "View"))
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// schema is the JSON Schema of a type.
func (g *generator) schema(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[workspace.Micros]():
		return object{"type": []string{"string", "null"}, "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		inner := g.schema(t.Elem())
		switch kind := inner["type"].(type) {
		case string:
			inner["type"] = []string{kind, "null"}
			return inner
		case []string:
			return inner
		}
		return object{"anyOf": []object{inner, {"type": "null"}}}
	case reflect.Struct:
		return g.ref(t)
	case reflect.Slice:
		return object{"type": "array", "items": g.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.schema(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Interface:
		return object{}
	default:
		return object{"type": "integer"}
	}
}

// structure is the schema of a struct. Bodies and answers have exactly the
// fields of their type.
func (g *generator) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	var collect func(t reflect.Type)
	collect = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous && f.Tag.Get("json") == "" {
				collect(f.Type)
				continue
			}
			name := fieldName(f)
			if name == "" {
				continue
			}
			s := g.schema(f.Type)
			if bodies[schemaName(t)] {
				bounds(s, f)
			}
			if enum := f.Tag.Get("enum"); enum != "" {
				s["enum"] = values(enum, f.Type.Kind() == reflect.Pointer && !bodies[schemaName(t)])
			}
			if format := f.Tag.Get("format"); format != "" {
				s["format"] = format
			}
			if doc := f.Tag.Get("doc"); doc != "" {
				s["description"] = doc
			}
			properties[name] = s
			_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Tag.Get("required") == "true" || !bodies[schemaName(t)] && !strings.Contains(options, "omit") {
				required = append(required, name)
			}
		}
	}
	collect(t)
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// values are those of an enum tag. JSON Schema lets null pass an enum only if
// it is one of its values.
func values(enum string, nullable bool) []any {
	var list []any
	for value := range strings.SplitSeq(enum, ",") {
		list = append(list, value)
	}
	if nullable {
		list = append(list, nil)
	}
	return list
}

// bounds adds what decode asks of a text or list in a body.
func bounds(s object, f reflect.StructField) {
	limit, err := strconv.Atoi(f.Tag.Get("max"))
	of := f.Type
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of.Kind() == reflect.String:
		if err != nil {
			limit = maxText
		}
		s["maxLength"] = limit
		if f.Tag.Get("required") == "true" {
			s["minLength"] = 1
		}
	case of.Kind() == reflect.Slice && err == nil:
		s["maxItems"] = limit
	}
}

// bodies are the schemas of requests: what is not marked as required may be
// left out.
var bodies = func() map[string]bool {
	out := map[string]bool{}
	for _, r := range routes() {
		if r.body != nil {
			out[schemaName(reflect.TypeOf(r.body))] = true
		}
	}
	return out
}()
