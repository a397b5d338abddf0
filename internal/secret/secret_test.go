package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const text = "hunter2-hunter2"

// Every printer known to us, over a Value alone and in the places where structs hide one.
func TestValueIsNeverPrinted(t *testing.T) {
	t.Parallel()
	v := New(text)
	type exported struct{ Password Value }
	type unexported struct{ password Value }
	type nested struct{ In map[string][]unexported }
	holders := []any{
		v, &v,
		exported{v},
		&exported{v},
		unexported{v},
		&unexported{v},
		nested{map[string][]unexported{"a": {{v}}}},
		[]Value{v},
		map[string]Value{"k": v},
		[1]any{v},
	}
	for _, h := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%t", "%p"} {
			if got := fmt.Sprintf(verb, h); shows(got) {
				t.Errorf("%s of %T shows the secret: %s", verb, h, got)
			}
		}
		if out, err := json.Marshal(h); err != nil || shows(string(out)) {
			t.Errorf("json of %T: %s, %v", h, out, err)
		}
		if out, err := yaml.Marshal(h); err != nil || shows(string(out)) {
			t.Errorf("yaml of %T: %s, %v", h, out, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "h", h)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "h", h)
		if shows(log.String()) {
			t.Errorf("slog of %T: %s", h, log.String())
		}
	}
	if err := fmt.Errorf("bind with %v: %w", v, fs.ErrInvalid); shows(err.Error()) {
		t.Error(err)
	}
	for name, got := range map[string]string{"String": v.String(), "GoString": v.GoString(), "LogValue": v.LogValue().String()} {
		if got != "***" {
			t.Errorf("%s = %q", name, got)
		}
	}
}

func shows(out string) bool {
	return strings.Contains(out, text) || strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", text))
}

func TestValueReveal(t *testing.T) {
	t.Parallel()
	if got := New(text).Reveal(); got != text {
		t.Errorf("Reveal = %q", got)
	}
	var zero Value
	if !zero.IsZero() || zero.Reveal() != "" || zero.String() != "***" {
		t.Errorf("zero Value: %q, prints %s", zero.Reveal(), zero)
	}
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("a").Equal(New("ab")) || !zero.Equal(New("")) {
		t.Error("Equal does not compare the texts")
	}
}

func TestParseRef(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		text string
		err  string
	}{
		"":                       {text: ""},
		"file:/run/secrets/ldap": {text: "file:/run/secrets/ldap"},
		"file:a:b":               {text: "file:a:b"},
		"env:LDAP_PASSWORD":      {text: "env:LDAP_PASSWORD"},
		"env:_1":                 {text: "env:_1"},
		"file:":                  {err: "not followed by a path"},
		"env:":                   {err: "name of a variable"},
		"env:1A":                 {err: "name of a variable"},
		"env:A-B":                {err: "name of a variable"},
		"hunter2":                {err: "must not stand in the configuration"},
		"FILE:/x":                {err: "must not stand in the configuration"},
		" file:/x":               {err: "must not stand in the configuration"},
		"vault:kv/ldap":          {err: "must not stand in the configuration"},
	} {
		ref, err := ParseRef(in)
		if want.err == "" {
			if err != nil || ref.String() != want.text {
				t.Errorf("ParseRef(%q) = %v, %v", in, ref, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want.err) {
			t.Errorf("ParseRef(%q): %v, want %q", in, err, want.err)
		}
	}
}

// A literal secret in a configuration is refused by name, with the remedy, and is shown nowhere on the way.
func TestLiteralSecretIsRefusedUnseen(t *testing.T) {
	t.Parallel()
	var config struct {
		Password Ref `yaml:"bind_password"`
		Other    Ref `yaml:"other"`
	}
	if err := yaml.Unmarshal([]byte("bind_password: "+text+"\nother: env:OTHER\n"), &config); err != nil {
		t.Fatalf("loading stops at the first fault: %v", err)
	}
	err := config.Password.Validate("connections[0].bind_password")
	if !errors.Is(err, ErrLiteral) || shows(err.Error()) {
		t.Fatalf("err = %v", err)
	}
	for _, part := range []string{"connections[0].bind_password", "file:/path", "env:NAME"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in: %v", part, err)
		}
	}
	if config.Password.IsZero() {
		t.Error("a faulty reference counts as not given")
	}
	if _, err := config.Password.Resolve(); !errors.Is(err, ErrLiteral) {
		t.Errorf("Resolve: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, config); shows(got) {
			t.Errorf("%s shows the secret: %s", verb, got)
		}
	}
	if err := config.Other.Validate("other"); err != nil || config.Other.String() != "env:OTHER" {
		t.Errorf("other = %v, %v", config.Other, err)
	}
	out, err := yaml.Marshal(config)
	if err != nil || shows(string(out)) || !strings.Contains(string(out), "env:OTHER") {
		t.Errorf("yaml: %s, %v", out, err)
	}
}

func write(t *testing.T, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // The umask has no say here.
		t.Fatal(err)
	}
	return path
}

func resolve(t *testing.T, text string) (string, error) {
	t.Helper()
	ref, err := ParseRef(text)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ref.Resolve()
	return v.Reveal(), err
}

func TestResolveFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		mode    fs.FileMode
		want    string
		err     string
	}{
		"plain":            {content: "s3cret", mode: 0o600, want: "s3cret"},
		"read only":        {content: "s3cret", mode: 0o400, want: "s3cret"},
		"line end":         {content: "s3cret\n", mode: 0o600, want: "s3cret"},
		"windows line end": {content: "s3cret\r\n", mode: 0o600, want: "s3cret"},
		"spaces are kept":  {content: " s3 cret \n", mode: 0o600, want: " s3 cret "},
		"empty":            {content: "\n", mode: 0o600, err: "is empty"},
		"world readable":   {content: "s3cret", mode: 0o604, err: "chmod 600"},
		"group writable":   {content: "s3cret", mode: 0o620, err: "chmod 600"},
		"too long":         {content: strings.Repeat("x", sizeLimit+1), mode: 0o600, err: "longer than"},
		"longest":          {content: strings.Repeat("x", sizeLimit), mode: 0o600, want: strings.Repeat("x", sizeLimit)},
	} {
		got, err := resolve(t, "file:"+write(t, c.content, c.mode))
		if c.err == "" && (err != nil || got != c.want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || got != "" || strings.Contains(err.Error(), "s3cret\n")) {
			t.Errorf("%s: %q, %v, want an error with %q", name, got, err, c.err)
		}
	}
	if _, err := resolve(t, "file:"+t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := resolve(t, "file:/nonexistent/secret"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// Group bits are for root's files alone: systemd credentials and Kubernetes secrets look so.
func TestTooOpen(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode][2]bool{ // {owned by another, owned by root}
		0o400: {false, false}, 0o600: {false, false}, 0o700: {false, false},
		0o440: {true, false}, 0o640: {true, false},
		0o420: {true, true}, 0o604: {true, true}, 0o644: {true, true}, 0o666: {true, true},
	} {
		if got := [2]bool{tooOpen(mode, false), tooOpen(mode, true)}; got != want {
			t.Errorf("%04o: %v, want %v", mode, got, want)
		}
	}
}

// A rotated secret is seen without a restart.
func TestResolveReadsAnew(t *testing.T) {
	t.Parallel()
	path := write(t, "old", 0o600)
	ref, err := ParseRef("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"old", "new"} {
		if err := os.WriteFile(path, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := ref.Resolve(); err != nil || v.Reveal() != want {
			t.Errorf("Resolve = %q, %v, want %q", v.Reveal(), err, want)
		}
	}
}

func TestResolveVariable(t *testing.T) {
	t.Setenv("ROLLCALL_TEST_SECRET", "s3cret\n")
	t.Setenv("ROLLCALL_TEST_EMPTY", "")
	if got, err := resolve(t, "env:ROLLCALL_TEST_SECRET"); err != nil || got != "s3cret" {
		t.Errorf("set: %q, %v", got, err)
	}
	for name, want := range map[string]string{"ROLLCALL_TEST_EMPTY": "is empty", "ROLLCALL_TEST_UNSET": "not set"} {
		if _, err := resolve(t, "env:"+name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := (Ref{}).Resolve(); err == nil {
		t.Error("the zero Ref resolves")
	}
}

func TestUnder(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"file:ldap.key": "file:/etc/rollcall/ldap.key", "file:/run/ldap": "file:/run/ldap", "env:LDAP": "env:LDAP", "": "",
	} {
		ref, err := ParseRef(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := ref.Under("/etc/rollcall").String(); got != want {
			t.Errorf("%q under /etc/rollcall = %q, want %q", in, got, want)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, seed := range []string{"", "file:/x", "env:X", "hunter2", "file:", "file", "env:\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		ref, err := ParseRef(in)
		if err != nil {
			want := ErrLiteral
			if kind, _, found := strings.Cut(in, ":"); found {
				_, want = ParseRef(kind + ":")
			}
			if err.Error() != want.Error() {
				t.Errorf("the error depends on the text: %v", err)
			}
			return
		}
		if ref.String() != in {
			t.Errorf("%q reads as %q", in, ref)
		}
	})
}
