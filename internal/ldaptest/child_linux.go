package ldaptest

import "syscall"

// childAttributes makes the kernel end the server when the test process
// dies, so that no server outlives its tests.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
