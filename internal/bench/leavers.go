package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bars of ending access under load (issue 6): requests a second, of which
// each tenth ends somebody's access.
const (
	leaverRate     = 200
	leaverCommit   = time.Second     // p99, from the request until its answer
	leaverDeliver  = 2 * time.Second // p95, from the request until the receiver has it
	leaverWorkers  = 64
	leaverEach     = 10 // one request of so many ends somebody's access
	receiverAnswer = 2 * time.Second
)

// leaverBench is a daemon under an open load with three receivers: one that is
// well, one that answers slowly, one that is down until the load is over.
type leaverBench struct {
	settings
	dir, url, token string
	table           *table
	well, slow, off *receiver
	ids             []string // of the people's Users
}

// runLeavers measures how fast access ends, and prints the table.
func runLeavers(s settings, out io.Writer) (err error) {
	dir, err := os.MkdirTemp(s.dir, "rollcall-leavers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &leaverBench{settings: s, dir: dir, table: &table{start: time.Now()}}
	for _, r := range []struct {
		to   **receiver
		wait time.Duration
		down bool
	}{{&b.well, 0, false}, {&b.slow, receiverAnswer, false}, {&b.off, 0, true}} {
		if *r.to, err = startReceiver(r.wait, r.down); err != nil {
			return err
		}
		defer (*r.to).stop()
	}
	if err := b.configure(); err != nil {
		return err
	}
	daemon, address, err := startDaemon(s.binary, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.stop()) }()
	b.url = address
	if err := b.fill(); err != nil {
		return err
	}
	if err := b.measure(); err != nil {
		return err
	}
	b.table.print(out)
	return nil
}

// configure writes configuration, mapping and inventory: everybody has a group
// and a number, so that a leaver has something to leave.
func (b *leaverBench) configure() error {
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("thirty-two bytes of a test secret"))
	hooks := ""
	for id, r := range map[string]*receiver{"well": b.well, "slow": b.slow, "off": b.off} {
		hooks += fmt.Sprintf("    - {id: %s, url: %q, secret: file:secret}\n", id, r.url)
	}
	var numbers strings.Builder
	numbers.WriteString("number,name,type,pool\n")
	for i := range b.people() {
		fmt.Fprintf(&numbers, "+4722%06d,Line %d,local,office\n", i, i)
	}
	if err := b.dump(0); err != nil {
		return err
	}
	for name, text := range map[string]string{
		configName: fmt.Sprintf(`listen: 127.0.0.1:0
database: sqlite:%s
workspaces:
  - id: acme
    name: Acme Inc
    plan: business
    owners: [ann@acme.com]
    connections:
      - {id: entra, kind: scim, profile: entra, acts_as: admin, rate: 100000}
      - {id: corp, kind: ldap, url: file:people.ldif, people: {base: "ou=people,dc=corp,dc=com"}, poll: "@every 3s"}
    mapping: mapping.yaml
events:
  webhooks:
%s  allow_private_networks: [127.0.0.0/8]
`, filepath.Join(b.dir, "rollcall.db"), hooks),
		"mapping.yaml": `version: 1
owner: ann@acme.com
default_country: "NO"
pools: {office: {prefix: "+4722"}}
groups:
  - {id: g-dept, to: {attr: department}, create: true}
numbers:
  - {id: n-pool, access: exclusive, from: [keep, reserved, {pool: office}]}
`,
		"secret": secret, "numbers.csv": numbers.String(),
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	token, err := b.command("token", "create", "--connection", "entra")
	if err != nil {
		return err
	}
	b.token = strings.TrimSpace(token)
	_, err = b.command("numbers", "import", filepath.Join(b.dir, "numbers.csv"), "--as", "ann@acme.com")
	return err
}

// dumpPeople is how many people the directory has that is polled beside.
const dumpPeople = 500

// dump writes the directory that is polled beside the load: at each round
// every fifth person has another title.
func (b *leaverBench) dump(round int) error {
	var text strings.Builder
	for i := range dumpPeople {
		title := 0
		if i%5 == round%5 {
			title = round
		}
		fmt.Fprintf(&text, "dn: uid=c%d,ou=people,dc=corp,dc=com\nobjectClass: inetOrgPerson\nentryUUID: 6f1f0000-0000-4000-8000-%012d\nuid: c%d\ncn: C %d\nmail: c%d@corp.com\ntitle: Title %d\n\n", i, i, i, i, i, title)
	}
	file := filepath.Join(b.dir, "people.ldif")
	if err := os.WriteFile(file+".new", []byte(text.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// people is how many there are: enough to leave at the rate, and to stay.
func (b *leaverBench) people() int { return 2 * int(b.rate.Seconds()) * leaverRate / leaverEach }

func (b *leaverBench) command(args ...string) (string, error) {
	out, err := exec.Command(b.binary, append(args, "--config", filepath.Join(b.dir, configName))...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rollcall %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (b *leaverBench) dial() (*client, error) {
	return dial(b.url, "Authorization: Bearer "+b.token+"\r\n")
}

// fill makes the people, and waits until the receiver that is well has heard
// of them.
func (b *leaverBench) fill() error {
	b.ids = make([]string, b.people())
	b.table.note("%d people are made", len(b.ids))
	next := make(chan int)
	errs := make(chan error, 8)
	for range 8 {
		go func() {
			errs <- func() error {
				c, err := b.dial()
				if err != nil {
					return err
				}
				for n := range next {
					answer, err := c.send(request{"POST", "/Users", leaverBody(userName(n), n%20)}, "")
					if err != nil {
						return err
					}
					if b.ids[n], err = idOf(answer); err != nil {
						return err
					}
				}
				return c.conn.Close()
			}()
		}()
	}
	for n := range b.ids {
		select {
		case next <- n:
		case err := <-errs:
			return err
		}
	}
	close(next)
	for range 8 {
		if err := <-errs; err != nil {
			return err
		}
	}
	return b.well.quiet()
}

func leaverBody(name string, dept int) string {
	return strings.TrimSuffix(userBody(name), "}") +
		fmt.Sprintf(`,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Dept %d"}}`, dept)
}

// shot is one request of the load: due at a moment, whatever became of those
// before it.
type shot struct {
	at     time.Time
	req    request
	leaver string // address of whose access it ends, "" for other requests
}

// shots makes the load: of ten requests four look somebody up, three change an
// attribute or a department, one makes somebody, one reads a person, and one
// ends somebody's access, in PATCH, PUT and DELETE alike.
func (b *leaverBench) shots(start time.Time) []shot {
	all := make([]shot, int(b.rate.Seconds())*leaverRate)
	leaver, made := 0, len(b.ids)
	stays := func() int { return len(b.ids)/2 + rand.IntN(len(b.ids)/2) }
	for i := range all {
		s := &all[i]
		s.at = start.Add(time.Duration(i) * time.Second / leaverRate)
		switch k := i % leaverEach; k {
		case 0, 1, 2, 3:
			s.req = lookup(userName(stays()))
		case 4, 5:
			s.req = request{"PATCH", "/Users/" + b.ids[stays()], replaceBody(fmt.Sprintf(`{"title":"Title %d"}`, i))}
		case 6:
			s.req = request{"PATCH", "/Users/" + b.ids[stays()], replaceBody(fmt.Sprintf(`{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"Dept %d"}`, rand.IntN(20)))}
		case 7:
			s.req = request{"POST", "/Users", leaverBody(userName(made), made%20)}
			made++
		case 8:
			s.req = request{"GET", "/Users/" + b.ids[stays()], ""}
		default:
			s.leaver = userName(leaver)
			if leaver%5 == 4 {
				s.req = request{"DELETE", "/Users/" + b.ids[leaver], ""}
			} else {
				s.req = request{"PATCH", "/Users/" + b.ids[leaver], replaceBody(`{"active":false}`)}
			}
			leaver++
		}
	}
	return all
}

// replaceBody is a PATCH that replaces attributes.
func replaceBody(value string) string { return patchBody(`{"op":"replace","value":` + value + `}`) }

// measure runs the load and adds the figures.
func (b *leaverBench) measure() error {
	b.table.note("%d requests a second for %s", leaverRate, b.rate)
	start := time.Now().Add(200 * time.Millisecond)
	all := b.shots(start)
	took := make([]time.Duration, len(all))
	queue := make(chan int, len(all))
	errs := make(chan error, leaverWorkers)
	var working sync.WaitGroup
	for range leaverWorkers {
		c, err := b.dial()
		if err != nil {
			return err
		}
		working.Go(func() {
			for i := range queue {
				if _, err := c.send(all[i].req, ""); err != nil {
					errs <- err
					return
				}
				// From when it was due: a request that had to wait has waited.
				took[i] = time.Since(all[i].at)
			}
		})
	}
	for i := range all {
		time.Sleep(time.Until(all[i].at))
		queue <- i
		if i%(3*leaverRate) == 0 {
			if err := b.dump(i/(3*leaverRate) + 1); err != nil {
				return err
			}
		}
	}
	close(queue)
	working.Wait()
	lasted := time.Since(start)
	select {
	case err := <-errs:
		return err
	default:
	}
	if err := b.well.quiet(); err != nil {
		return err
	}
	return b.figures(all, took, lasted)
}

// figures adds the lines of the table.
func (b *leaverBench) figures(all []shot, took []time.Duration, lasted time.Duration) error {
	members, err := b.members()
	if err != nil {
		return err
	}
	var commits, others, delivered []time.Duration
	lost := 0
	for i := range all {
		if all[i].leaver == "" {
			others = append(others, took[i])
			continue
		}
		commits = append(commits, took[i])
		at, ok := b.well.ended(members[all[i].leaver])
		if !ok {
			lost++
			continue
		}
		delivered = append(delivered, at.Sub(all[i].at))
	}
	t := b.table
	reached := float64(len(all)) / lasted.Seconds()
	t.add("requests a second, open loop", rate(reached), fmt.Sprintf("%d due", leaverRate), "", ">= 99 %", reached >= 0.99*leaverRate)
	p := quantilesOf(commits)
	t.add(fmt.Sprintf("%d ends of access answered (committed)", len(commits)), p.String(), "", "", "p99 < 1 s", p.p99 < leaverCommit)
	d := quantilesOf(delivered)
	t.add("their events at the receiver that is well", d.String(), "beside: a slow and a dead receiver, a polled directory", "", "p95 < 2 s", d.p95 < leaverDeliver && lost == 0)
	t.add("the other requests", quantilesOf(others).String(), "", "", "", true)
	t.add("events the slow receiver has so far (2 s each)", fmt.Sprint(b.slow.count()), "", "", "", true)

	begin := time.Now()
	b.off.up()
	if _, err := b.command("events", "retry", "off"); err != nil {
		return err
	}
	if err := b.off.quiet(); err != nil {
		return err
	}
	missing := 0
	for i := range all {
		if all[i].leaver != "" {
			if _, ok := b.off.ended(members[all[i].leaver]); !ok {
				missing++
			}
		}
	}
	for name, r := range map[string]*receiver{"well": b.well, "off": b.off} {
		t.add("events of "+name+", of these out of order or missing", fmt.Sprintf("%d, %d", r.count(), r.wrong()), "", "", "0", r.wrong() == 0)
	}
	t.add("ends of access that the dead receiver has after it is back", fmt.Sprintf("%d of %d", len(commits)-missing, len(commits)),
		"all events in "+time.Since(begin).Round(time.Second).String(), "", "all", missing == 0)
	return nil
}

// members maps addresses to members' ids.
func (b *leaverBench) members() (map[string]string, error) {
	out, err := exec.Command(b.binary, "members", "list", "--format", "json", "--config", filepath.Join(b.dir, configName)).Output()
	if err != nil {
		return nil, fmt.Errorf("rollcall members list: %w", err)
	}
	var list []struct{ ID, Email string }
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, err
	}
	ids := make(map[string]string, len(list))
	for _, m := range list {
		ids[m.Email] = m.ID
	}
	return ids, nil
}

// percentiles are of a list of times.
type percentiles struct{ p50, p95, p99, worst time.Duration }

func quantilesOf(times []time.Duration) percentiles {
	if len(times) == 0 {
		return percentiles{}
	}
	slices.Sort(times)
	at := func(q int) time.Duration { return times[(len(times)*q+99)/100-1] }
	return percentiles{at(50), at(95), at(99), times[len(times)-1]}
}

// String writes them in milliseconds.
func (p percentiles) String() string {
	return fmt.Sprintf("p50 %d, p95 %d, p99 %d, worst %d ms", p.p50.Milliseconds(), p.p95.Milliseconds(), p.p99.Milliseconds(), p.worst.Milliseconds())
}
