package grant

import "github.com/rollcall-sync/rollcall/internal/secret"

// ReadKey reads a key and gives what is wrong with it.
func ReadKey(text string) error {
	_, err := parseKey(secret.New(text), "", "")
	return err
}
