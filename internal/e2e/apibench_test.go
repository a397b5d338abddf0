package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/pull"
	"github.com/rollcall-sync/rollcall/workspace"
)

// fakeGraphVariable makes this binary a fake of Graph with so many people.
const fakeGraphVariable = "ROLLCALL_FAKE_GRAPH"

// graphPlace is where the fake is, as its first line tells.
type graphPlace struct {
	URL, Issuer string
}

// serveFakeGraph serves until its standard input ends. Each line that it
// reads disables one person more.
func serveFakeGraph(people string) int {
	n, err := strconv.Atoi(people)
	if err != nil {
		return 2
	}
	g := fakeidp.NewGraph(&fakeidp.Tokens{ClientID: "reader", ClientSecret: canary + "secret"})
	defer g.Close()
	ids := make([]string, n)
	for i := range n {
		name := fmt.Sprintf("p%05d", i)
		ids[i] = g.Add(fakeidp.Person{
			UserName: name + "@acme.com", Email: name + "@acme.com", Given: "Person", Family: name, Title: "Engineer", Dept: departments[i%4], Phone: "+4722000000",
		})
	}
	group := g.AddGroup("phone-admins")
	for i := range 20 {
		g.Join(group, fakeidp.Member{ID: ids[i]})
	}
	if err := json.NewEncoder(os.Stdout).Encode(graphPlace{g.URL, g.Issuer()}); err != nil {
		return 1
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		n--
		g.Disable(ids[n], true)
		if _, err := fmt.Println("done"); err != nil {
			return 1
		}
	}
	return 0
}

// startFakeGraph starts the fake as a process of its own, so that memory is
// the source's and the engine's alone.
func startFakeGraph(b *testing.B, people int) (place graphPlace, disable func()) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fakeGraphVariable+"="+strconv.Itoa(people))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := in.Close(); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal([]byte(first), &place); err != nil {
		b.Fatal(err)
	}
	return place, func() {
		if _, err := io.WriteString(in, "off\n"); err != nil {
			b.Fatal(err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGraph measures polls of 20,000 people through the faithful fake of
// Microsoft Graph: the source by itself, the first poll, one that finds
// nothing changed, and a delta. It is meant for -benchtime 1x.
func BenchmarkGraph(b *testing.B) {
	for b.Loop() {
		measureGraph(b, 20_000)
	}
}

func measureGraph(b *testing.B, n int) {
	place, disable := startFakeGraph(b, n)
	cfg := oidc.Config{Issuer: place.Issuer, AllowPrivateNetworks: []string{"127.0.0.0/8"}}
	cfg.Directory = oidc.DirectoryConfig{Kind: oidc.Graph, APIBase: place.URL}
	cfg.Directory.Auth = oidc.DirectoryAuth{Method: "client_secret_post", ClientID: "reader", ClientSecret: secretFile(b, canary+"secret")}
	source, err := pull.New(cfg, pull.Options{Connection: "dir", Mapped: []pull.Group{{Name: "phone-admins"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := source.Close(); err != nil {
			b.Error(err)
		}
	})

	before := cpuTime(b)
	began := time.Now()
	counted := &countingSink{}
	if _, err := source.Full(b.Context(), sync.Cursor{}, counted); err != nil || counted.people != n || !counted.done {
		b.Fatalf("%v, %d people, done %v", err, counted.people, counted.done)
	}
	b.ReportMetric(time.Since(began).Seconds(), "source-s")
	b.ReportMetric((cpuTime(b) - before).Seconds(), "source-cpu-s")

	w := graphWorld(b, source)
	before = cpuTime(b)
	first := w.timed(sync.SyncOptions{})
	b.ReportMetric(first.took.Seconds(), "first-full-s")
	b.ReportMetric((cpuTime(b) - before).Seconds(), "first-full-cpu-s")
	b.ReportMetric(float64(first.memory)/1024, "first-full-private-MiB")
	again := w.timed(sync.SyncOptions{Full: true})
	b.ReportMetric(again.took.Seconds(), "full-again-s")
	b.ReportMetric(float64(again.memory)/1024, "full-again-private-MiB")
	disable()
	delta := w.timed(sync.SyncOptions{})
	b.ReportMetric(delta.took.Seconds(), "delta-s")
	w.want(fmt.Sprintf("p%05d@acme.com", n-1), "member deactivated")
}

// graphWorld is a workspace that reads the source.
func graphWorld(b *testing.B, source sync.Source) *world {
	b.Helper()
	w := &world{t: b}
	var err error
	if w.store, err = store.Open(b.Context(), store.Options{URL: "sqlite:" + b.TempDir() + "/rollcall.db", AutoMigrate: true}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			b.Error(err)
		}
	})
	compiled, err := mapping.Load([]byte(apiRules), mapping.LoadOptions{Connections: []string{"dir"}, File: "mapping.yaml"})
	if err != nil {
		b.Fatal(err)
	}
	policy := workspace.Default()
	policy.Approve, policy.Limits = []string{}, workspace.Limits{}
	brake := unbraked()
	w.engine, err = sync.New(b.Context(), sync.Options{Store: w.store, Workspaces: []sync.Workspace{{
		ID: "acme", Owners: []string{"ann@acme.com"}, Rules: compiled, Policy: policy,
		Connections: []sync.Connection{{ID: "dir", Kind: oidc.Kind, ActsAs: workspace.RoleAdmin, Brake: &brake}},
		Leavers:     sync.Leavers{Grace: 7 * 24 * time.Hour, RestoreWindow: 90 * 24 * time.Hour},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	w.polled = sync.Polled{Workspace: "acme", Connection: "dir", Source: source}
	return w
}

// countingSink counts what it is given.
type countingSink struct {
	people int
	done   bool
}

func (s *countingSink) Page(_ context.Context, p sync.Page, _ sync.Cursor) error {
	s.people += len(p.Identities)
	return nil
}

func (s *countingSink) Done(context.Context, sync.Proof) error {
	s.done = true
	return nil
}
