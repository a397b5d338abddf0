//go:build unix && !linux

package ldaptest

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the server.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
