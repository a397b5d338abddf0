package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system user that runs the server. PostgreSQL refuses to run as root, so root lends it another
// one; everybody else runs it themselves.
type account struct {
	name string
	lent bool
	uid  uint32
	gid  uint32
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{name: "the current user"}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user %s has the id %q: %w", name, u.Uid, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("user %s has the group id %q: %w", name, u.Gid, err)
		}
		return account{name: name, lent: true, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as")
}

// prefix starts the name of every server's folder, so that a later run finds what a killed one left.
const prefix = "rollcall-pgtest-"

// folder is the server's temporary folder. The test process holds a lock on the file `lock` in it for as long as it lives;
// a folder whose lock is free belongs to nobody and is removed by the next run.
type folder struct {
	path string
	data string // The cluster, owned by the server's account.
	lock *os.File
}

func newFolder(owner account) (_ *folder, err error) {
	if err := sweep(os.TempDir()); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, data: filepath.Join(path, "data")}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.remove())
		}
	}()
	// The lock gets its name only once it is held: a sweep must not find it free.
	f.lock, err = os.Create(filepath.Join(path, "lock.new"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if err := os.Rename(f.lock.Name(), filepath.Join(path, "lock")); err != nil {
		return nil, err
	}
	if err := os.Mkdir(f.data, 0o700); err != nil {
		return nil, err
	}
	if owner.lent {
		for _, p := range []string{path, f.data} {
			if err := os.Chown(p, int(owner.uid), int(owner.gid)); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// write makes a file that the server's account can read and nobody else.
func (f *folder) write(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	info, err := os.Stat(f.data)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

func (f *folder) remove() error {
	err := os.RemoveAll(f.path)
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// sweep removes the folders below dir whose process is gone. A folder that it may not touch is somebody else's and stays;
// so does, until the next time, one that its dying server still writes to.
func sweep(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, prefix+"*", "lock"))
	if err != nil {
		return err
	}
	for _, path := range found {
		lock, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			continue
		}
		if err != nil {
			return err
		}
		free := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
		if free {
			// The lock goes last, for the next time looks for it.
			err := os.RemoveAll(filepath.Join(filepath.Dir(path), "data"))
			if err == nil {
				err = os.RemoveAll(filepath.Dir(path))
			}
			if err != nil && !errors.Is(err, os.ErrPermission) && !errors.Is(err, syscall.ENOTEMPTY) {
				return errors.Join(err, lock.Close())
			}
		}
		if err := lock.Close(); err != nil {
			return err
		}
	}
	return nil
}
