package ldap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/sync"
)

// benchPeople is the directory of the goals (LM12).
const benchPeople = 100_000

// counting is a sink that keeps nothing.
type counting struct {
	people, present, pages int
	whole                  bool
}

func (c *counting) Page(_ context.Context, p sync.Page, _ sync.Cursor) error {
	c.people += len(p.Identities)
	c.present += len(p.Present)
	c.pages++
	return nil
}

func (c *counting) Done(context.Context, sync.Proof) error {
	c.whole = true
	return nil
}

// benchDirectory loads the directory offline, by slapadd.
func benchDirectory(b *testing.B) *ldaptest.Slapd {
	b.Helper()
	dir := b.TempDir()
	path := filepath.Join(dir, "people.ldif")
	if err := writePeople(path, benchPeople); err != nil {
		b.Fatal(err)
	}
	return ldaptest.StartSlapd(b, ldaptest.SlapdOptions{LDIF: path})
}

func writePeople(path string, n int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := w.WriteString(ldaptest.BaseLDIF); err != nil {
		return err
	}
	for i := range n {
		uid := fmt.Sprintf("p%06d", i)
		_, err := fmt.Fprintf(w, `dn: uid=%[1]s,%[2]s
objectClass: inetOrgPerson
uid: %[1]s
cn: Person Number %[1]s
sn: Number %[1]s
givenName: Person
displayName: Person %[1]s
mail: %[1]s@acme.com
title: Account Executive
departmentNumber: %[3]d
o: Acme
employeeNumber: %[1]s
employeeType: staff
physicalDeliveryOfficeName: Berlin
l: Berlin
preferredLanguage: de
manager: uid=p000000,%[2]s
telephoneNumber: +1 555 0100
mobile: +1 555 0101
entryUUID: %[4]s

`, uid, peopleBase, i%40, uuid.NewSHA1(uuid.NameSpaceOID, []byte(uid)))
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heapPeak samples the memory that the runtime holds until stop.
func heapPeak() (stop func() uint64) {
	done, result := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		var peak uint64
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				metrics.Read(sample)
				peak = max(peak, sample[0].Value.Uint64()-sample[1].Value.Uint64())
			case <-done:
				result <- peak
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-result
	}
}

// BenchmarkSlapd100k measures a whole read, a sweep, a quiet poll and a delta
// of one change, with ldapsearch paging the same attributes as the measure
// (LM12).
func BenchmarkSlapd100k(b *testing.B) {
	slapd := benchDirectory(b)
	cfg := slapdConfig(b, slapd)
	cfg.PageSize, cfg.Sentinel, cfg.Groups = 500, "uid=p000001,"+peopleBase, Branch{}
	s := newSource(b, cfg, Options{})
	p := newPlan(&cfg, OpenLDAP)
	search := func(attrs ...string) {
		args := append([]string{
			"-LLL", "-x", "-H", slapd.URL(), "-D", ldaptest.Reader, "-w", ldaptest.ReaderPW, "-b", peopleBase, "-E", "pr=500/noprompt",
			"-o", "ldif-wrap=no", p.people,
		}, attrs...)
		if err := exec.Command("ldapsearch", args...).Run(); err != nil {
			b.Fatal(err)
		}
	}
	search(p.ask...) // warms slapd's cache
	b.Run("ldapsearch", func(b *testing.B) {
		for b.Loop() {
			search(p.ask...)
		}
	})
	b.Run("full", func(b *testing.B) {
		runtime.GC()
		stop := heapPeak()
		before := cpuTime(b)
		for b.Loop() {
			sink := &counting{}
			if _, err := s.Full(b.Context(), sync.Cursor{}, sink); err != nil || !sink.whole || sink.people != benchPeople {
				b.Fatal(sink, err)
			}
		}
		b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/benchPeople, "cpu-us/person")
		b.ReportMetric(float64(stop())/(1<<20), "peak-MiB")
	})
	b.Run("sweep", func(b *testing.B) {
		for b.Loop() {
			sink := &counting{}
			if err := s.Sweep(b.Context(), sink); err != nil || sink.present != benchPeople {
				b.Fatal(sink, err)
			}
		}
	})
	_, cursor := full(b, s)
	b.Run("quiet poll", func(b *testing.B) {
		before := cpuTime(b)
		for b.Loop() {
			if _, err := s.TellTale(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-us/poll")
	})
	admin := slapd.Admin()
	c := &company{Slapd: slapd, hands: hands{t: b, admin: admin}}
	n := 0
	b.Run("one change", func(b *testing.B) {
		for b.Loop() {
			n++
			c.modify("uid=p000007,"+peopleBase, func(m *goldap.ModifyRequest) { m.Replace("title", []string{fmt.Sprintf("Title %d", n)}) })
			sink := &counting{}
			next, err := s.Delta(b.Context(), cursor, sink)
			if err != nil || sink.people != 1 {
				b.Fatal(sink, err)
			}
			cursor = next
		}
	})
}
