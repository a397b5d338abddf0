package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// oldest is the first major version that Rollcall supports.
const oldest = 14

// errNotInstalled names the remedy, for it is what a newcomer reads first.
var errNotInstalled = errors.New("no PostgreSQL server found (initdb and postgres in PATH or /usr/lib/postgresql/*/bin). " +
	"Install it with `make prepare`, that is `apt-get install postgresql` on Debian and Ubuntu, " +
	"`dnf install postgresql-server` on Fedora, `brew install postgresql` on macOS")

// findBinaries returns the folder of initdb and postgres: that of PATH, else the newest of the folders where packages put
// them. Debian keeps them out of PATH.
func findBinaries() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		// A link (Homebrew, Fedora) may point into a folder that holds both.
		if real, err := filepath.EvalSymlinks(found); err == nil && complete(filepath.Dir(real)) {
			return filepath.Dir(real), nil
		}
	}
	return newest("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
}

// newest returns the complete folder with the highest version in its path.
func newest(patterns ...string) (string, error) {
	best, bestVersion := "", -1
	for _, pattern := range patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, dir := range matches {
			if version := versionIn(dir); complete(dir) && version > bestVersion {
				best, bestVersion = dir, version
			}
		}
	}
	if best == "" {
		return "", errNotInstalled
	}
	return best, nil
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// versionIn reads the number that the folder's parent ends with (15 in .../15/bin and .../pgsql-15/bin), 0 without one.
func versionIn(dir string) int {
	name := filepath.Base(filepath.Dir(dir))
	start := len(name)
	for start > 0 && name[start-1] >= '0' && name[start-1] <= '9' {
		start--
	}
	version, err := strconv.Atoi(name[start:])
	if err != nil {
		return 0
	}
	return version
}
