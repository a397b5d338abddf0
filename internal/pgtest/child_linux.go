package pgtest

import "syscall"

// childAttributes makes the kernel send the server an immediate shutdown when the test process dies, by panic, timeout or
// kill -9 alike, so that no server outlives its tests.
func childAttributes(run account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	if run.lent {
		attr.Credential = &syscall.Credential{Uid: run.uid, Gid: run.gid}
	}
	return attr
}
