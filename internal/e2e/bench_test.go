package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

// BenchmarkDirectory measures polls of a directory with 1,000 and with 100,000
// people, beside ldapsearch paging the same attributes in the same run. It is
// meant for -benchtime 1x.
func BenchmarkDirectory(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				measureDirectory(b, n)
			}
		})
	}
}

// attributes are what the source asks people for.
var attributes = strings.Fields("entryUUID uid mail displayName cn givenName sn title departmentNumber o employeeNumber employeeType " +
	"physicalDeliveryOfficeName l preferredLanguage manager telephoneNumber mobile pwdAccountLockedTime shadowExpire krbPrincipalExpiration")

func measureDirectory(b *testing.B, n int) {
	ldif := filepath.Join(b.TempDir(), "people.ldif")
	if err := os.WriteFile(ldif, crowd(n), 0o600); err != nil {
		b.Fatal(err)
	}
	s := &openLDAP{Slapd: ldaptest.StartSlapd(b, ldaptest.SlapdOptions{LDIF: ldif})}
	s.entries, s.url = entries{t: b, admin: s.Admin()}, s.URL()
	cfg := s.config()
	cfg.PageSize = 500
	w := newWorld(b, cfg, unbraked())
	debug.FreeOSMemory() // what made the directory is not the daemon's

	plain := s.paging(b)
	first := w.timed(sync.SyncOptions{})
	b.ReportMetric(plain.Seconds(), "ldapsearch-s")
	b.ReportMetric(first.took.Seconds()/plain.Seconds(), "first-sync-x")
	b.ReportMetric(float64(first.memory)/1024, "peak-private-MiB")

	plain = s.paging(b)
	rows := w.rows()
	again := w.timed(sync.SyncOptions{Full: true})
	b.ReportMetric(again.took.Seconds()/plain.Seconds(), "full-again-x")
	if now := w.rows(); now != rows {
		b.Errorf("an unchanged full read wrote members or changes: %s, then %s", rows, now)
	}

	const polls = 50
	before := cpuTime(b)
	for range polls {
		if res := w.sync(); !res.Unchanged {
			b.Fatal("nothing moved, but the poll read")
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/polls, "quiet-poll-cpu-ms")

	s.setDepartment("p00007", "Finance")
	seen := w.visible("p00007@acme.com", "member active Finance")
	whole := w.timed(sync.SyncOptions{})
	b.ReportMetric((<-seen).Sub(whole.began).Seconds(), "one-change-visible-s")
	b.ReportMetric(whole.took.Seconds(), "one-change-whole-poll-s")
	w.want("p00007@acme.com", "member active Finance")
}

// crowd is a directory with n people.
func crowd(n int) []byte {
	var out bytes.Buffer
	out.WriteString(ldaptest.BaseLDIF)
	person := func(uid, department string) {
		fmt.Fprintf(&out, "dn: uid=%[1]s,%[2]s\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: Person %[1]s\nsn: %[1]s\ngivenName: Person\nmail: %[1]s@acme.com\n"+
			"title: Engineer\ndepartmentNumber: %[3]s\nl: Oslo\ntelephoneNumber: +47 22 00 00 00\n\n", uid, slapdPeople, department)
	}
	person("probe", "Sales")
	for i := range n {
		person(fmt.Sprintf("p%05d", i), departments[i%4])
	}
	return out.Bytes()
}

// paging times ldapsearch.
func (s *openLDAP) paging(b *testing.B) time.Duration {
	began := time.Now()
	cmd := exec.Command("ldapsearch", append([]string{
		"-LLL", "-x", "-E", "pr=500/noprompt", "-H", s.URL(), "-D", ldaptest.Reader, "-w", ldaptest.ReaderPW,
		"-b", slapdPeople, "(objectClass=inetOrgPerson)",
	}, attributes...)...)
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// visible tells when a member is first seen as wanted, looking every 5 ms for
// a minute at most.
func (w *world) visible(email, want string) <-chan time.Time {
	seen := make(chan time.Time, 1)
	go func() {
		for range 12_000 {
			if w.member(email) == want {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		seen <- time.Now()
	}()
	return seen
}

type timing struct {
	began  time.Time
	took   time.Duration
	memory int // kB, the largest seen
}

// timed polls once and watches the process's private memory meanwhile.
func (w *world) timed(opt sync.SyncOptions) timing {
	var t timing
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			t.memory = max(t.memory, privateKB())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	t.began = time.Now()
	_, err := w.engine.Poll(w.t.Context(), w.polled, "test", opt)
	t.took = time.Since(t.began)
	close(stop)
	<-stopped
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// privateKB is this process's own memory (proc(5), smaps_rollup); 0 where
// there is no such file.
func privateKB() (kb int) {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "Private_") {
			if n, err := strconv.Atoi(f[1]); err == nil {
				kb += n
			}
		}
	}
	return kb
}

// rows counts what must not grow by an unchanged read.
func (w *world) rows() (counts string) {
	w.view(func(r *store.Reader) error {
		totals, err := r.CountTotals()
		if err != nil {
			return err
		}
		runs, err := r.Runs("corp", 0, 100)
		changes := 0
		for i := range runs {
			list, err := r.ChangesOfRun(runs[i].ID)
			if err != nil {
				return err
			}
			changes += len(list)
		}
		counts = fmt.Sprintf("%+v, %d changes", totals, changes)
		return err
	})
	return counts
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
