//go:build differential

package scim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scimPatchVersion is the release of the npm package scim-patch that Patch is
// compared with.
const scimPatchVersion = "0.8.3"

// differences is the page that explains every disagreement.
var differences = filepath.Join("..", "docs", "scim-patch-differences.md")

// patchCase is one random pair.
type patchCase struct {
	Resource   map[string]any   `json:"resource"`
	Operations []map[string]any `json:"operations"`
	shape      string
}

// randomCase draws a User and one operation.
func randomCase(r *rand.Rand) patchCase {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	doc := map[string]any{"userName": "u", "active": r.IntN(2) == 0}
	for _, name := range []string{"displayName", "title"} {
		if r.IntN(2) == 0 {
			doc[name] = pick("a", "b", "Ä")
		}
	}
	if r.IntN(2) == 0 {
		doc["name"] = map[string]any{"givenName": pick("a", "b")}
	}
	if r.IntN(2) == 0 {
		doc[URNEnterpriseUser] = map[string]any{"department": pick("a", "b")}
	}
	emails := []any{map[string]any{"value": "u@acme.com", "type": "work", "primary": true}}
	if r.IntN(2) == 0 {
		emails = append(emails, map[string]any{"value": "v@acme.com", "type": pick("home", "other")})
	}
	doc["emails"] = emails
	kind := pick("add", "replace", "remove")
	op := map[string]any{"op": kind}
	entry := func() map[string]any {
		e := map[string]any{"value": pick("u@acme.com", "w@acme.com"), "type": pick("work", "home")}
		if r.IntN(3) == 0 {
			e["primary"] = true
		}
		return e
	}
	var value any
	shape := pick("simple", "simple", "sub-attribute", "complex", "extension attribute", "list", "list as object", "entry", "entry sub-attribute",
		"entry without match", "entry sub-attribute without match", "sub-attribute of all entries", "no path", "unknown attribute")
	switch shape {
	case "simple":
		op["path"], value = pick("displayName", "title", "nickName", "DISPLAYNAME"), pick("a", "c")
	case "sub-attribute":
		op["path"], value = pick("name.givenName", "name.familyName"), pick("a", "c")
	case "complex":
		op["path"], value = "name", map[string]any{pick("givenName", "familyName"): pick("a", "c")}
	case "extension attribute":
		op["path"], value = URNEnterpriseUser+":"+pick("department", "division"), pick("a", "c")
	case "list":
		op["path"], value = "emails", []any{entry()}
	case "list as object":
		op["path"], value = "emails", entry()
	case "entry":
		op["path"], value = `emails[type eq "work"]`, entry()
	case "entry sub-attribute":
		op["path"], value = `emails[type eq "work"].value`, pick("x@acme.com", "u@acme.com")
	case "entry without match":
		op["path"], value = `emails[type eq "none"]`, entry()
	case "entry sub-attribute without match":
		op["path"], value = `emails[type eq "none"].value`, "x@acme.com"
	case "sub-attribute of all entries":
		op["path"], value = "emails.display", "x"
	case "no path":
		value = map[string]any{pick("displayName", "title"): pick("a", "c"), "name": map[string]any{"familyName": pick("a", "c")}}
	case "unknown attribute":
		op["path"], value = "shoeSize", "43"
	}
	if kind != "remove" {
		op["value"] = value
	}
	return patchCase{Resource: doc, Operations: []map[string]any{op}, shape: kind + ", " + shape}
}

// settled drops what RFC 7643 section 2.5 calls unassigned, and primary false,
// which says what its absence says.
func settled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, e := range v {
			if e = settled(e); e != nil && !(key == "primary" && e == false) {
				out[key] = e
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, e := range v {
			if e = settled(e); e != nil {
				out = append(out, e)
			}
		}
		if out == nil {
			return nil
		}
		return out
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

func plainJSON(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return settled(out)
}

// ours applies an operation under the profile strict.
func ours(t *testing.T, c *patchCase) (result any, refusal string) {
	t.Helper()
	p, _ := LookupProfile("strict")
	text, err := json.Marshal(c.Resource)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := ParseDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	operation, err := json.Marshal(c.Operations[0])
	if err != nil {
		t.Fatal(err)
	}
	rt := NewUserType(nil)
	ops, _, err := DecodePatch([]byte(envelope(string(operation))), rt, p)
	var after Document
	if err == nil {
		after, _, _, err = Patch(doc, ops, rt, p)
	}
	if err != nil {
		return nil, ToError(err).ScimType
	}
	return plainJSON(t, map[string]any(after)), ""
}

// TestPatchAgainstScimPatch gives random pairs to Patch and to scim-patch:
// every kind of disagreement stands in docs/scim-patch-differences.md with the
// clause that decides it, and nothing stands there that does not occur.
func TestPatchAgainstScimPatch(t *testing.T) {
	folder := t.TempDir()
	install := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, "scim-patch@"+scimPatchVersion)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm: %v\n%s", err, out)
	}
	script, err := os.ReadFile(filepath.Join("testdata", "scimpatch", "apply.js"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "apply.js"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	const pairs = 100_000
	r := rand.New(rand.NewPCG(1, 2))
	cases := make([]patchCase, pairs)
	var input bytes.Buffer
	for i := range cases {
		cases[i] = randomCase(r)
		line, err := json.Marshal(cases[i])
		if err != nil {
			t.Fatal(err)
		}
		input.Write(append(line, '\n'))
	}
	node := exec.CommandContext(t.Context(), "node", "apply.js")
	node.Dir, node.Stdin, node.Stderr = folder, &input, os.Stderr
	output, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<20)
	found, examples := map[string]int{}, map[string]string{}
	i := 0
	for ; lines.Scan(); i++ {
		var theirs struct {
			Result any    `json:"result"`
			Error  string `json:"error"`
		}
		if err := json.Unmarshal(lines.Bytes(), &theirs); err != nil {
			t.Fatal(err)
		}
		c := &cases[i]
		result, refusal := ours(t, c)
		kind := ""
		switch {
		case refusal != "" && theirs.Error != "":
			if refusal != theirs.Error {
				kind = "other error"
			}
		case refusal != "":
			kind = "we refuse: " + refusal
		case theirs.Error != "":
			kind = "they refuse: " + theirs.Error
		case !cmp.Equal(result, settled(theirs.Result)):
			kind = "other result"
		}
		if kind == "" {
			continue
		}
		key := c.shape + " | " + kind
		if found[key]++; examples[key] == "" {
			line, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			examples[key] = fmt.Sprintf("%s\nours %v %s\ntheirs %s", line, result, refusal, lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil || i != pairs {
		t.Fatalf("%d answers for %d pairs, %v", i, pairs, err)
	}
	page, err := os.ReadFile(differences)
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for line := range strings.SplitSeq(string(page), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) > 4 && (strings.HasPrefix(cells[1], " add") || strings.HasPrefix(cells[1], " re")) {
			explained[strings.TrimSpace(cells[1])+" | "+strings.TrimSpace(cells[2])] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if !explained[key] {
			t.Errorf("not explained, %d times: %s\n%s", found[key], key, examples[key])
		}
	}
	for key := range explained {
		if found[key] == 0 {
			t.Errorf("explained, and does not occur: %s", key)
		}
	}
	t.Logf("%d pairs, %d disagreements of %d kinds, all explained", pairs, sum(found), len(found))
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}
