package scim

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// hostile are the inputs that end or stall the general parser (LB01, LB02) and
// their like.
func hostile() map[string]string {
	return map[string]string{
		"LB01 100,000 parentheses":  strings.Repeat("(", 100_000),
		"LB01 100,000 pairs":        strings.Repeat("(", 100_000) + "title pr" + strings.Repeat(")", 100_000),
		"LB01 parentheses in 4,096": strings.Repeat("(", 4096),
		"LB02 not chain":            strings.Repeat("not (", 20_000),
		"LB02 not chain in 4,096":   strings.Repeat("not (", 819),
		"LB02 and chain":            strings.Repeat("title pr and ", 100_000) + "title pr",
		"LB02 and chain in 4,096":   strings.Repeat("title pr and ", 310) + "title pr",
		"or chain in 4,096":         strings.Repeat("id pr or ", 440) + "id pr",
		"brackets":                  strings.Repeat("emails[", 100_000),
		"brackets in 4,096":         strings.Repeat("emails[", 585),
		"long string":               `title eq "` + strings.Repeat("a", 30<<20) + `"`,
		"backslashes":               `title eq "` + strings.Repeat(`\\`, 2040),
		"long identifier":           strings.Repeat("a", 4000) + " pr",
		"colons":                    strings.Repeat("a:", 2000) + "b pr",
		"not without parenthesis":   strings.Repeat("not ", 1000),
		"not and spaces":            strings.Repeat("not"+strings.Repeat(" ", 60), 60),
		"spaces":                    strings.Repeat(" ", 4096),
	}
}

// TestHostileFiltersAreRefusedAtOnce is the CPU bar of FT10: under 10 ms each.
func TestHostileFiltersAreRefusedAtOnce(t *testing.T) {
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			path := "emails[" + text
			for what, parse := range map[string]func() error{
				"filter": func() error { _, err := ParseFilter(text, testUserType, lenientFilter); return err },
				"path":   func() error { _, err := ParsePath(path, testUserType, lenientFilter); return err },
			} {
				best := time.Hour
				for range 5 {
					before := cpuTime(t) // Others use the machine too.
					err := parse()
					best = min(best, cpuTime(t)-before)
					var answer *Error
					if !errors.As(err, &answer) || answer.Status != 400 {
						t.Fatalf("%s: got %v, want 400", what, err)
					}
				}
				if best > 10*time.Millisecond*raceFactor {
					t.Errorf("%s: took %v, want under 10ms", what, best)
				}
			}
		})
	}
}

// TestAdmittedFiltersAreCheap measures the dearest filters that the limits
// admit: the parser may need 20 ms for them, not more.
func TestAdmittedFiltersAreCheap(t *testing.T) {
	deep := strings.Repeat("not (", maxNesting-1)
	for name, text := range map[string]string{
		"64 terms":              strings.Repeat("title pr and ", maxTerms-1) + "title pr",
		"64 long names":         strings.Repeat(`meta.lastModified ge "2026-11-21T10:00:00Z" or `, maxTerms-1) + "title pr",
		"deep and wide":         deep + strings.Repeat("title pr or ", maxTerms-1) + "title pr" + strings.Repeat(")", maxNesting-1),
		"every term in a pair":  strings.Repeat("(title pr) and ", maxTerms-1) + "(title pr)",
		"every term in emails":  strings.Repeat(`emails[value eq "x"].type pr or `, maxTerms/2-1) + "id pr",
		"a URN in every term":   strings.Repeat(URNEnterpriseUser+":department pr or ", 40) + "id pr",
		"deepest in every term": strings.Repeat("((((((((((title pr)))))))))) and ", 6) + "id pr",
	} {
		t.Run(name, func(t *testing.T) {
			best := time.Hour
			for range 5 {
				before := cpuTime(t)
				if _, err := parseGeneral(text, testUserType, FilterOptions{}); err != nil {
					t.Fatal(err)
				}
				best = min(best, cpuTime(t)-before)
			}
			t.Logf("%d bytes: %v", len(text), best)
			if best > 60*time.Millisecond*raceFactor {
				t.Errorf("took %v, want about 20ms", best)
			}
		})
	}
}

// pieces are what random filters are made of.
var pieces = []string{
	"userName", "emails", "active", "meta.created", "members", "name.givenName", URNEnterpriseUser + ":manager", "bogus", "$ref", "type", "value",
	" ", " ", " ", " eq ", " ne ", " pr ", " co ", " gt ", " and ", " or ", "not", "not (", "(", ")", "[", "]", "].value eq ", ".", ":", `"`, `"x"`, `"\u00e5"`, `"\`,
	"true", "null", "5", "-1.5e3", "word", "ü", "\x00", "\xff", "'", "\t", "\n",
}

// TestRandomTextNeverPanics is the short form of the 264,000 random inputs of
// scim.md section 3. Whatever the guard admits, the parser must read.
func TestRandomTextNeverPanics(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range random.IntN(14) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		checkFilter(t, b.String())
		checkPath(t, b.String())
	}
}

// checkFilter holds every answer of ParseFilter to its promises.
func checkFilter(t *testing.T, text string) {
	t.Helper()
	for _, opt := range []FilterOptions{{}, lenientFilter} {
		for _, rt := range []*ResourceType{testUserType, testGroupType} {
			f, err := ParseFilter(text, rt, opt)
			if err != nil {
				checkRefusal(t, text, err)
				continue
			}
			Match(f, Document{}, rt)
			for _, table := range []*SQLTable{&UserTable, &GroupTable} {
				where, args, err := CompileSQL(f, table, "w1", "")
				if err != nil {
					checkRefusal(t, text, err)
				} else if strings.Count(where, "?") != len(args) {
					t.Fatalf("%q: %d arguments for %s", text, len(args), where)
				}
			}
		}
	}
}

func checkPath(t *testing.T, text string) {
	t.Helper()
	for _, opt := range []FilterOptions{{}, lenientFilter} {
		p, err := ParsePath(text, testUserType, opt)
		switch {
		case err != nil:
			checkRefusal(t, text, err)
		case p.Filter != nil:
			MatchEntry(p.Filter, map[string]any{})
			MatchEntry(p.Filter, nil)
		}
	}
}

// checkRefusal: a 400 in our own words; the parser must never be what refuses.
func checkRefusal(t *testing.T, text string, err error) {
	t.Helper()
	var answer *Error
	if !errors.As(err, &answer) || answer.Status != 400 || answer.ScimType == "" {
		t.Fatalf("%q: got %v, want 400 with a scimType", text, err)
	}
	if answer.Unwrap() != nil {
		t.Fatalf("%q passed the guard, but not the parser: %v", text, answer.Unwrap())
	}
	if len(answer.Detail) > maxDetail || strings.ContainsFunc(answer.Detail, func(r rune) bool { return r < ' ' || r >= utf8.RuneSelf }) {
		t.Fatalf("%q: the detail is no short ASCII line: %q", text, answer.Detail)
	}
}

func FuzzFilter(f *testing.F) {
	for _, text := range slices.Concat(fastForms, fastGroupForms, slowForms) {
		f.Add(text)
	}
	for _, text := range hostile() {
		if len(text) <= 2*maxFilterBytes {
			f.Add(text)
		}
	}
	f.Add(`emails[not (type eq "work") and (value co "\ud83d\ude00")].primary eq "True" or meta.created gt "2026-01-01T00:00:00Z"`)
	f.Fuzz(checkFilter)
}

func FuzzPath(f *testing.F) {
	for _, text := range []string{
		"active", "name.givenName", "emails", `emails[type eq "work"].value`, `roles[primary eq "True"].value`, `members[value eq "u1"]`,
		URNEnterpriseUser, URNEnterpriseUser + ":manager.value", `emails[(type eq "a" or not (value pr))]`, "emails[", "emails[]", "a.b.c", " active ",
	} {
		f.Add(text)
	}
	f.Fuzz(checkPath)
}

// LB01: nothing but builder.parse may call the parser, whatever the text.
func TestOnlyTheGuardLeadsToTheParser(t *testing.T) {
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("../*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, file := range append(files, deeper...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") || !strings.Contains(string(text), `"github.com/scim2/filter-parser/`) {
			continue
		}
		calls += strings.Count(string(text), "parser.Parse")
		if filepath.ToSlash(file) != "../scim/filter.go" {
			t.Errorf("%s imports the parser", file)
		}
	}
	if calls != 1 {
		t.Errorf("the parser is called in %d places, want 1", calls)
	}
}
