//go:build unix && !linux

package ldaptest

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the server.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// frozen believes the signal where nothing tells.
func frozen(int) bool { return true }
