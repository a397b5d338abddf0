// Package secret keeps passwords, tokens and keys out of logs, dumps and configuration files.
//
// A Value is a secret in memory that no printer shows. A Ref is where a configuration file says a secret is to be found:
// in a file or in an environment variable, never in the configuration itself.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printer gets, for an empty Value too: whether a secret is set is nobody's business either.
const redacted = "***"

// Value is a secret. Every way of printing or encoding it gives ***; only Reveal gives the text. The zero Value is the empty
// secret. Values are immutable and may be shared between goroutines.
//
// The text hides behind a pointer because fmt calls no methods on a struct's unexported fields: a Value inside one then
// prints as an address.
type Value struct {
	text *string
}

// New returns text as a secret.
func New(text string) Value { return Value{text: &text} }

// Reveal returns the secret's text, for the call that needs it. Do not keep the result.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v.Reveal() == "" }

// Equal compares two secrets in time that depends on their lengths alone.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(other.Reveal())) == 1
}

// String returns ***.
func (v Value) String() string { return redacted }

// GoString returns ***.
func (v Value) GoString() string { return redacted }

// Format writes *** for every verb and flag, %x and %q included.
func (v Value) Format(f fmt.State, _ rune) {
	// fmt keeps no write error and gives no way to report one; a printer that stops early shows less, not more.
	if _, err := io.WriteString(f, redacted); err != nil {
		return
	}
}

// LogValue returns ***.
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns ***.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "***".
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML returns ***.
func (v Value) MarshalYAML() (any, error) { return redacted, nil }
