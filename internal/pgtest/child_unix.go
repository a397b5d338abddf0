//go:build unix && !linux

package pgtest

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the server. Only Linux can tie its life to ours; elsewhere Main's
// orderly stop is all there is.
func childAttributes(run account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if run.lent {
		attr.Credential = &syscall.Credential{Uid: run.uid, Gid: run.gid}
	}
	return attr
}
