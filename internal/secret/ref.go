package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// sizeLimit bounds a secret file; a key or a certificate bundle is far smaller.
const sizeLimit = 64 << 10

// ErrLiteral reports text where a reference belongs. It never quotes the text, for that may be the secret.
var ErrLiteral = errors.New("a secret must not stand in the configuration: put it in a file that only this program may read " +
	"and write file:/path/to/it here, or write env:NAME and set that variable")

// Ref names the place of a secret: file:PATH or env:NAME. The zero Ref names none.
//
// Unmarshalling keeps a faulty reference instead of failing, so that a loader can report all faults of a file together:
// Validate says what is wrong, and Resolve refuses it.
type Ref struct {
	kind   string // "file" or "env"; "" is unset.
	target string
	fault  error
}

// ParseRef reads file:PATH or env:NAME. Empty text is the zero Ref.
func ParseRef(text string) (Ref, error) {
	kind, target, found := strings.Cut(text, ":")
	switch {
	case text == "":
		return Ref{}, nil
	case found && kind == "file":
		if target == "" {
			return Ref{}, errors.New("file: is not followed by a path")
		}
		return Ref{kind: kind, target: target}, nil
	case found && kind == "env":
		if !variableName(target) {
			return Ref{}, errors.New("env: is not followed by the name of a variable (letters, digits and _, no digit first)")
		}
		return Ref{kind: kind, target: target}, nil
	}
	return Ref{}, ErrLiteral
}

func variableName(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// UnmarshalText reads a reference from YAML or JSON text. It returns no error; see Validate.
func (r *Ref) UnmarshalText(text []byte) error {
	parsed, err := ParseRef(string(text))
	parsed.fault = err
	*r = parsed
	return nil
}

// MarshalText writes the reference as it was read. It shows where the secret is, not what it is.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the reference as it was read, "" for the zero Ref and *** for a faulty one.
func (r Ref) String() string {
	switch {
	case r.fault != nil:
		return redacted
	case r.IsZero():
		return ""
	}
	return r.kind + ":" + r.target
}

// GoString is String: a Ref prints the same in every way.
func (r Ref) GoString() string { return r.String() }

// IsZero reports whether no reference was given. A faulty one was given.
func (r Ref) IsZero() bool { return r.kind == "" && r.fault == nil }

// Validate returns what is wrong with the reference that was read for a field, or nil. It does not look for the secret: a
// configuration may be checked on another machine.
func (r Ref) Validate(field string) error {
	if r.fault != nil {
		return fmt.Errorf("%s: %w", field, r.fault)
	}
	return nil
}

// Under returns the reference with a relative file path taken from dir, normally the configuration file's folder.
func (r Ref) Under(dir string) Ref {
	if r.kind == "file" && !filepath.IsAbs(r.target) {
		r.target = filepath.Join(dir, r.target)
	}
	return r
}

// Resolve reads the secret, anew at each call, so that a rotated secret needs no restart. Line ends at its end are cut off.
// A missing or empty secret is an error, and so is a file that others may read.
func (r Ref) Resolve() (Value, error) {
	switch {
	case r.fault != nil:
		return Value{}, r.fault
	case r.kind == "file":
		return resolveFile(r.target)
	case r.kind == "env":
		return resolveVariable(r.target)
	}
	return Value{}, errors.New("no secret is named")
}

func resolveVariable(name string) (Value, error) {
	text, set := os.LookupEnv(name)
	if !set {
		return Value{}, fmt.Errorf("env:%s: the variable is not set; set it for this program", name)
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return Value{}, fmt.Errorf("env:%s: the variable is empty", name)
	}
	return New(text), nil
}

func resolveFile(path string) (_ Value, err error) {
	file, err := os.Open(path)
	if err != nil {
		return Value{}, fmt.Errorf("file:%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return Value{}, fmt.Errorf("file:%s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return Value{}, fmt.Errorf("file:%s: not a regular file", path)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if tooOpen(info.Mode(), known && owner.Uid == 0) {
		return Value{}, fmt.Errorf("file:%s: mode %04o lets others at the secret; remedy: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(file, sizeLimit+1))
	if err != nil {
		return Value{}, fmt.Errorf("file:%s: %w", path, err)
	}
	if len(text) > sizeLimit {
		return Value{}, fmt.Errorf("file:%s: longer than %d bytes, which no secret is", path, sizeLimit)
	}
	trimmed := strings.TrimRight(string(text), "\r\n")
	if trimmed == "" {
		return Value{}, fmt.Errorf("file:%s: the file is empty", path)
	}
	return New(trimmed), nil
}

// tooOpen reports whether a mode gives the secret to more than its owner. A file of root may be read by its group: that is
// how a daemon that is not root gets a secret it cannot change, and how systemd credentials (an access list shows as group
// bits) and Kubernetes secrets with fsGroup look.
func tooOpen(mode fs.FileMode, ownedByRoot bool) bool {
	forbidden := fs.FileMode(0o077)
	if ownedByRoot {
		forbidden = 0o037
	}
	return mode.Perm()&forbidden != 0
}
