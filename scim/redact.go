package scim

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What is kept of a body: enough to see what a client sent, bounded so that a
// group of 20,000 does not fill the store.
const (
	maxKeptBody   = 16 << 10 // Bytes of a body after redaction; larger ones are not kept.
	maxKeptList   = 20       // Values of a list; how many more there were is said.
	maxKeptFilter = 1024     // Bytes of one query parameter.
	maxKeptNames  = 32       // Parameters of a query.
)

// masked stands where a secret was.
const masked = "***"

// secretWords are parts of names whose values are never kept: password,
// whatever a client calls it, and credentials. Names are compared in lower
// case without - and _.
var secretWords = []string{"password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "credential", "privatekey", "authorization"}

// secretNames are whole names of that kind.
var secretNames = []string{"pwd", "pin", "otp", "totp", "mfa", "jwt"}

// joined takes the signs out that people put between the words of a name.
var joined = strings.NewReplacer("-", "", "_", "")

// isSecretName reports whether a name, or the last part of a path, is that of
// a secret.
func isSecretName(name string) bool {
	name = joined.Replace(strings.ToLower(name))
	if slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) }) {
		return true
	}
	return slices.Contains(secretNames, name[strings.LastIndexAny(name, ".:]")+1:])
}

// secretText finds values that are credentials whatever their name: tokens of
// ours, JSON Web Tokens, private keys, an Authorization header.
var secretText = regexp.MustCompile(`(?i)\brc[a-z]_[a-z2-7]{8}_|\beyJ[a-z0-9_-]{8,}\.|-----BEGIN |^\s*(bearer|basic)\s+\S`)

// isSecretText reports whether a value is a credential. The expression looks at
// each letter several times, and nearly no value needs it: each of its forms
// has a part that can be looked for at once.
func isSecretText(v string) bool {
	possible := false
	for i := 0; i+1 < len(v) && !possible; i++ {
		a, b := v[i]|0x20, v[i+1]|0x20
		possible = a == 'r' && b == 'c' || a == 'e' && b == 'y' || a == 'b' && (b == 'e' || b == 'a') || v[i] == '-' && v[i+1] == '-'
	}
	return possible && secretText.MatchString(v)
}

// redactedBody is what is kept of a body: its JSON without secrets, and
// without the tail of long lists. A body that cannot be read as JSON, so that
// nobody knows what is in it, is not kept: "".
func redactedBody(body []byte) (text string, person string) {
	if len(body) == 0 {
		return "", ""
	}
	raw, err := parseJSON(body)
	if err != nil {
		return "", ""
	}
	if o, ok := raw.(object); ok {
		if name, ok := o.get("userName"); ok {
			person, _ = name.(string)
		}
	}
	b := appendRedacted(make([]byte, 0, min(len(body)+64, 2*maxKeptBody)), raw, false)
	if len(b) > maxKeptBody {
		return "", person
	}
	return string(b), person
}

// appendRedacted appends a value of parseJSON in the order in which it was
// sent. hide masks all values in it, and keeps its form.
func appendRedacted(dst []byte, v any, hide bool) []byte {
	switch v := v.(type) {
	case object:
		// An operation of PATCH names its secret in the path.
		path, _ := v.get("path")
		if text, ok := path.(string); ok && isSecretName(text) {
			hide = true
		}
		dst = append(dst, '{')
		for i := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			name := v[i].name
			dst = append(appendString(dst, name), ':')
			plain := !hide || sameName(name, "op") || sameName(name, "path")
			dst = appendRedacted(dst, v[i].value, !plain || isSecretName(name))
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if i == maxKeptList {
				dst = appendString(dst, strconv.Itoa(len(v)-i)+" more")
				break
			}
			dst = appendRedacted(dst, e, hide)
		}
		return append(dst, ']')
	case string:
		if hide && v != "" || isSecretText(v) {
			return appendString(dst, masked)
		}
		return appendString(dst, v)
	case json.Number:
		if hide {
			return appendString(dst, masked)
		}
		return append(dst, v...)
	case bool:
		if hide {
			return appendString(dst, masked)
		}
		return strconv.AppendBool(dst, v)
	default:
		return append(dst, "null"...)
	}
}

// keptParameters are the parameters that are kept of a query; of others the
// name alone is, since nobody knows what is in them.
var keptParameters = []string{"filter", "attributes", "excludedAttributes", "sortBy", "sortOrder", "startIndex", "count", "aadOptscim062020"}

// personFilter finds the name that a filter asks for.
var personFilter = regexp.MustCompile(`(?i)\beq\s+"([^"\\]{1,256})"`)

// redactedQuery is what is kept of a query, with the person whom its filter
// asks for.
func redactedQuery(query url.Values) (text string, person string) {
	if len(query) == 0 {
		return "", ""
	}
	var names []string
	for name := range query {
		names = append(names, name)
	}
	known := func(name string) bool { return slices.Contains(keptParameters, name) }
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(boolNumber(known(b))-boolNumber(known(a)), cmp.Compare(a, b))
	})
	kept := make([]string, 0, min(len(names), maxKeptNames+1))
	for i, name := range names {
		if i == maxKeptNames {
			kept = append(kept, strconv.Itoa(len(names)-i)+" more")
			break
		}
		value := query.Get(name)
		switch {
		case !known(name):
			value = masked
		case isSecretText(value) || isSecretName(value):
			value = masked
		}
		if sameName(name, "filter") {
			if found := personFilter.FindStringSubmatch(value); found != nil {
				person = found[1]
			}
		}
		part := clip(name, 64)
		if value != "" {
			part += "=" + clip(value, maxKeptFilter)
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&"), person
}
