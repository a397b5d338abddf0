package scim

import "strings"

// The limits of GD03: Okta, and Entra under its flag, send one remove per
// member.
const (
	maxUserOperations  = 100
	maxGroupOperations = 2000
)

// patchSchema is the message URN of a PATCH body (RFC 7644 section 3.5.2).
const patchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// OperationKind is what a PATCH operation does.
type OperationKind uint8

// The operations of RFC 7644 section 3.5.2.
const (
	OpAdd OperationKind = iota + 1
	OpRemove
	OpReplace
)

// String returns the word on the wire.
func (k OperationKind) String() string {
	switch k {
	case OpAdd:
		return "add"
	case OpRemove:
		return "remove"
	case OpReplace:
		return "replace"
	}
	return "none"
}

// Operation is one operation of a PATCH body, as sent. Its value is scanned
// JSON that no schema has seen yet.
type Operation struct {
	Kind OperationKind
	Path string // Empty if the operation has none.

	value    any
	hasValue bool
}

// DecodePatch reads a PATCH body under the guard GD06 and GD03: a PatchOp
// message or, leniently, a bare list of operations or one operation. Keys and
// op stand in any letter case (TL01). It fails with *Error: 400, or 413 over
// the limit on operations.
func DecodePatch(body []byte, rt *ResourceType, p Profile) ([]Operation, Notes, error) {
	r := reader{rt: rt, profile: p}
	raw, err := parseJSON(body)
	if err != nil {
		return nil, nil, err
	}
	list, err := r.operations(raw)
	if err != nil {
		return nil, nil, err
	}
	limit := maxUserOperations
	if rt.Core.ID == URNGroup {
		limit = maxGroupOperations
	}
	if len(list) > limit {
		return nil, nil, errTooLarge("GD03", "the PATCH has %d operations; at most %d are allowed on a %s", len(list), limit, rt.Name)
	}
	ops := make([]Operation, len(list))
	for i, e := range list {
		if ops[i], err = r.operation(i+1, e); err != nil {
			return nil, nil, err
		}
	}
	return ops, r.notes, nil
}

// operations finds the list of operations in a body.
func (r *reader) operations(raw any) ([]any, error) {
	var message object
	switch v := raw.(type) {
	case []any:
		if r.tolerate(TL02, "Operations") {
			return v, nil
		}
	case object:
		message = v
		if _, ok := message.get("op"); ok && r.tolerate(TL02, "Operations") {
			return []any{message}, nil
		}
	}
	if message == nil {
		return nil, errInvalidSyntax("", "the body must be an object with schemas and Operations")
	}
	var ops any
	found, schemas := false, false
	for _, m := range message {
		switch {
		case sameName(m.name, "Operations"):
			r.spelling("Operations", m.name)
			ops, found = m.value, true
		case sameName(m.name, "schemas"):
			list, _ := m.value.([]any)
			for _, e := range list {
				if urn, ok := e.(string); ok && sameName(urn, patchSchema) {
					schemas = true
				}
			}
		default:
			if err := r.unknown(m.name); err != nil {
				return nil, err
			}
		}
	}
	if !schemas && !r.tolerate(TL02, "schemas") {
		return nil, errInvalidSyntax("TL02", "schemas must be a list with %s", patchSchema)
	}
	list, ok := ops.([]any)
	if !ok || !found {
		return nil, errInvalidSyntax("", "Operations is missing or is no list")
	}
	return list, nil
}

// operation reads one operation; n counts from 1 for the error text.
func (r *reader) operation(n int, raw any) (Operation, error) {
	o, ok := raw.(object)
	if !ok {
		return Operation{}, errInvalidSyntax("", "operation %d must be an object", n)
	}
	var op Operation
	for i := range o {
		switch name := o[i].name; {
		case sameName(name, "op"):
			r.spelling("op", name)
			word, _ := o[i].value.(string)
			if op.Kind = r.kind(word); op.Kind == 0 {
				return Operation{}, errInvalidSyntax("TL01", "op of operation %d must be add, remove or replace, not %s", n, describe(o[i].value))
			}
		case sameName(name, "path"):
			r.spelling("path", name)
			path, isString := o[i].value.(string)
			if !isString && o[i].value != nil {
				return Operation{}, errInvalidPath("", "path of operation %d must be a string", n)
			}
			op.Path = strings.TrimSpace(path)
		case sameName(name, "value"):
			r.spelling("value", name)
			op.value, op.hasValue = o[i].value, true
		default:
			if err := r.unknown(name); err != nil {
				return Operation{}, err
			}
		}
	}
	switch {
	case op.Kind == 0:
		return Operation{}, errInvalidSyntax("", "operation %d has no op", n)
	case op.Kind != OpRemove && !op.hasValue:
		return Operation{}, errInvalidValue("", "operation %d (%s) has no value", n, op.Kind)
	case op.Kind == OpRemove && op.Path == "":
		return Operation{}, errNoTarget("", "operation %d (remove) has no path", n)
	}
	return op, nil
}

// kind reads the word of op; 0 if it is none.
func (r *reader) kind(word string) OperationKind {
	for _, k := range []OperationKind{OpAdd, OpRemove, OpReplace} {
		if word == k.String() || sameName(word, k.String()) && r.tolerate(TL01, "op") {
			return k
		}
	}
	return 0
}
