//go:build !linux

package store

import (
	"fmt"
	"os"
)

// checkFileSystem asks for the folder only: kinds of file systems are told
// apart on Linux.
func checkFileSystem(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("database folder %s: %w: make it, and let this user write there", dir, err)
	}
	return nil
}
