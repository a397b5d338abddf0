package store

import (
	"fmt"
	"syscall"
)

// networkFileSystems are those whose shared memory does not reach other
// hosts, or whose locks cannot be trusted (statfs(2), f_type).
var networkFileSystems = map[uint32]string{
	0x00006969: "NFS",
	0x0000517b: "SMB",
	0xfe534d42: "SMB",
	0xff534d42: "CIFS",
	0x00c36400: "Ceph",
	0x5346414f: "AFS",
	0x73757245: "Coda",
	0x0000564c: "NCP",
}

// checkFileSystem refuses a folder on a network file system.
func checkFileSystem(dir string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("database folder %s: %w: make it, and let this user write there", dir, err)
	}
	if name, ok := networkFileSystems[uint32(s.Type)]; ok {
		return fmt.Errorf("database folder %s is on %s: SQLite needs a local disk, or use PostgreSQL", dir, name)
	}
	return nil
}
