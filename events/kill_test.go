package events

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/store"
)

// The child that the kill test starts is this test binary: it commits events
// and delivers them, until it is killed.
const (
	killedStore = "ROLLCALL_TEST_KILLED_STORE"
	killedSink  = "ROLLCALL_TEST_KILLED_SINK"
	killedKey   = "ROLLCALL_TEST_KILLED_SECRET"
)

// killMembers are many enough for parallel lines, few enough for long ones.
const killMembers = 12

func killConfig(url string) (Config, error) {
	ref, err := secret.ParseRef("env:" + killedKey)
	return Config{AllowPrivateNetworks: []string{"127.0.0.0/8"}, Webhooks: []Webhook{{ID: "s0", URL: url, Secret: Secrets{ref}}}}, err
}

// killLease is short, so that a line of a dead child is soon free.
const killLease = 500 * time.Millisecond

func newKillDispatcher(s *store.Store, url string) (*Dispatcher, error) {
	c, err := killConfig(url)
	if err != nil {
		return nil, err
	}
	return New(Options{Store: s, Workspaces: []string{"acme"}, Config: c, Lease: killLease})
}

// deliverUntilKilled commits events from 6 writers, prints each one's member
// and sequence once it is committed, and delivers all the time.
func deliverUntilKilled(url, sink string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{URL: url, AllowNoFsync: true})
	if err != nil {
		return err
	}
	d, err := newKillDispatcher(s, sink)
	if err != nil {
		return err
	}
	if err := d.Start(ctx); err != nil {
		return err
	}
	go d.Run(ctx)
	kinds := []string{"member.updated", "member.updated", "member.role_changed", "group.joined", "member.deactivated", "session.revoked", "member.reactivated"}
	failed := make(chan error)
	var mu sync.Mutex
	for range 6 {
		go func() {
			for {
				member := fmt.Sprintf("m%d", rand.N(killMembers))
				kind := kinds[rand.N(len(kinds))]
				var id string
				err := s.In("acme").Update(ctx, store.UnitOptions{}, func(tx *store.Tx) (err error) {
					id, err = insertEvent(tx, member, kind, time.Now())
					return err
				})
				mu.Lock()
				if err == nil {
					_, err = fmt.Println(id, kind)
				}
				mu.Unlock()
				if err != nil {
					failed <- err
					return
				}
				time.Sleep(time.Millisecond) // leave the deliverer a share of the disk
			}
		}()
	}
	return <-failed
}

// TestKill9 kills a process that commits and delivers (FT01, OB10): no event
// whose commit was acknowledged is lost, the first arrivals of a member are in
// order, and what comes twice has the same id and the same bytes.
func TestKill9(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url   string
		kills int
	}{
		"sqlite":   {"sqlite:" + filepath.Join(t.TempDir(), "killed.db"), killsWanted(40)},
		"postgres": {"", killsWanted(20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.url == "" {
				c.url = pgtest.NewDatabase(t)
			}
			killRounds(t, c.url, c.kills)
		})
	}
}

// killsWanted is how many kills are made: a few, or as many as ROLLCALL_KILLS
// says (make kill).
func killsWanted(few int) int {
	if n, err := strconv.Atoi(os.Getenv("ROLLCALL_KILLS")); err == nil && n > 0 {
		return n
	}
	return few
}

func killRounds(t *testing.T, url string, kills int) {
	var mu sync.Mutex
	answered := map[string]bool{} // ids that the receiver acknowledged
	var order []arrival           // first arrivals that were acknowledged
	bodies := map[string]string{}
	repeats := 0
	r := newReceiver(t, func(w http.ResponseWriter, a arrival) {
		mu.Lock()
		defer mu.Unlock()
		if body, ok := bodies[a.id]; ok && body != string(a.body) {
			t.Errorf("%s came with other bytes", a.id)
		}
		bodies[a.id] = string(a.body)
		if rand.N(20) == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if answered[a.id] {
			repeats++
		} else {
			order = append(order, a)
		}
		answered[a.id] = true
		w.WriteHeader(http.StatusNoContent)
	})
	w := newWorld(t, url)
	for i := range killMembers {
		w.member(fmt.Sprintf("m%d", i))
	}
	committed := map[string]string{}
	for range kills {
		killDeliverer(t, url, r.URL, time.Duration(20+rand.N(120))*time.Millisecond, committed)
	}
	// Whatever is left is delivered by a process that lives.
	d := dispatcherForKill(w, r.URL)
	w.until("all is delivered", func() bool {
		for _, p := range d.pumps {
			p.poke()
		}
		w.update(func(tx *store.Tx) error { _, err := tx.RetrySink("s0", 0); return err })
		return len(w.waiting("s0")) == 0
	})
	mu.Lock()
	defer mu.Unlock()
	told := map[string]bool{}
	last := map[string]int64{}
	for _, a := range order {
		if a.seq <= last[a.member] {
			t.Errorf("%s came after %d", a.id, last[a.member])
		}
		// An answer that the kill cut off is answered for again.
		if a.covers[0] > last[a.member]+1 {
			t.Errorf("%s answers for %v, after %d: a gap", a.id, a.covers, last[a.member])
		}
		for seq := a.covers[0]; seq <= a.covers[1]; seq++ {
			told[fmt.Sprintf("evt_%s-%d", a.member, seq)] = true
		}
		last[a.member] = a.seq
	}
	for id, kind := range committed {
		if !told[id] {
			t.Errorf("%s (%s) was committed and is lost", id, kind)
		}
		if (kind == "member.deactivated" || kind == "session.revoked") && !answered[id] {
			t.Errorf("%s (%s) ends access and was superseded", id, kind)
		}
	}
	t.Logf("%d kills, %d events committed, %d delivered, %d repeated, 0 lost, 0 out of order", kills, len(committed), len(order), repeats)
	if len(committed) < 3*kills {
		t.Errorf("only %d events: the test saw too little", len(committed))
	}
}

// dispatcherForKill runs a deliverer in this process until the test ends.
func dispatcherForKill(w *world, sink string) *Dispatcher {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	c, err := killConfig(sink)
	if err != nil {
		w.Fatal(err)
	}
	c.Webhooks[0].Secret = Secrets{secretFile(w, testSecret)}
	d, err := New(Options{Store: w.store, Workspaces: []string{"acme"}, Config: c})
	if err != nil {
		w.Fatal(err)
	}
	if err := d.Start(ctx); err != nil {
		w.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	w.Cleanup(func() { cancel(); running.Wait() })
	return d
}

// killDeliverer starts a child and kills it some time after its first words:
// so many that the test sees something, however slow the machine is.
func killDeliverer(t *testing.T, url, sink string, after time.Duration, committed map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killedStore+"="+url, killedSink+"="+sink, killedKey+"="+testSecret)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	words := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if words++; words == 5 {
			time.AfterFunc(after, func() {
				if err := cmd.Process.Kill(); err != nil {
					t.Errorf("kill: %v", err)
				}
			})
		}
		id, kind, _ := strings.Cut(lines.Text(), " ")
		committed[id] = kind
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
}
