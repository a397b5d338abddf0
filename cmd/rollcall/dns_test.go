package main

import (
	stdsync "sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollcall-sync/rollcall/internal/dnstest"
)

// nameServers are the DNS servers of running scripts, by address.
var nameServers stdsync.Map

// dnsCommand runs a DNS server for a script:
//
//	dns start               keeps its address in $DNS
//	dns txt NAME [VALUE...] sets the TXT records of a name; none: it has gone
//	dns fail NAME           answers SERVFAIL from now on
func dnsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: dns start|txt|fail")
	}
	if args[0] == "start" {
		s, err := dnstest.Start()
		ts.Check(err)
		ts.Defer(func() { ts.Check(s.Close()) })
		nameServers.Store(s.Addr, s)
		ts.Setenv("DNS", s.Addr)
		return
	}
	found, ok := nameServers.Load(ts.Getenv("DNS"))
	if !ok || len(args) < 2 {
		ts.Fatalf("usage: dns start, then dns txt|fail NAME")
	}
	s := found.(*dnstest.Server)
	switch args[0] {
	case "txt":
		var records [][]string
		for _, v := range args[2:] {
			records = append(records, []string{v})
		}
		s.TXT(args[1], records...)
	case "fail":
		s.Fail(args[1], dnstest.ServFail)
	default:
		ts.Fatalf("unknown: dns %s", args[0])
	}
}
