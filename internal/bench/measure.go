package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// bench is a run of all measurements, in the order in which the workspace
// grows.
type bench struct {
	settings
	daemon, echo *child
	url, echoURL string
	token        string
	table        *table
	ids          []string // of the people, by their number
}

// all measures everything.
func (b *bench) all(raw float64) error {
	c, err := b.dial()
	if err != nil {
		return err
	}
	answer, err := c.send(request{"POST", "/Groups", groupBody("Mix")}, "")
	if err != nil {
		return err
	}
	mixGroup, err := idOf(answer)
	if err != nil {
		return err
	}
	if _, err := b.fill(b.small); err != nil {
		return err
	}
	if err := b.rates(raw); err != nil {
		return err
	}
	if err := b.mix(c, mixGroup); err != nil {
		return err
	}
	// Filling takes minutes, and the daemon closes connections that idle.
	if err := c.conn.Close(); err != nil {
		return err
	}
	creates, err := b.fill(b.large)
	if err != nil {
		return err
	}
	if c, err = b.dial(); err != nil {
		return err
	}
	b.table.add("Users created a second, 64 clients", rate(creates), "", "", "", true)
	for _, step := range []func() error{
		func() error { return b.mix(c, mixGroup) },
		func() error { return b.lookups(c) },
		func() error { return b.pages(c) },
		func() error { return b.groups(c) },
		b.memory,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return c.conn.Close()
}

// dial connects a client with the token.
func (b *bench) dial() (*client, error) {
	return dial(b.url, "Authorization: Bearer "+strings.TrimSpace(b.token)+"\r\n")
}

func rate(perSecond float64) string { return fmt.Sprintf("%.0f /s", perSecond) }

func userName(n int) string { return fmt.Sprintf("user%06d@acme.com", n) }

func userBody(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `","externalId":"ext-` + name + `","active":true,` +
		`"name":{"givenName":"Ann","familyName":"Lee"},"displayName":"Ann Lee","emails":[{"primary":true,"type":"work","value":"` + name + `"}]}`
}

func groupBody(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"` + name + `","externalId":"ext-` + name + `"}`
}

func patchBody(operation string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operation + `]}`
}

func lookup(name string) request {
	return request{"GET", "/Users?filter=" + url.QueryEscape(`userName eq "`+name+`"`), ""}
}

// clients runs work on parallel clients until it tells that it is done; work
// gets the number of the turn.
func (b *bench) clients(n int, work func(c *client, turn int) (more bool, err error)) error {
	var group sync.WaitGroup
	var turns atomic.Int64
	errs := make([]error, n)
	for i := range n {
		group.Go(func() {
			c, err := b.dial()
			for more := err == nil; more && err == nil; {
				more, err = work(c, int(turns.Add(1)-1))
			}
			if c != nil {
				err = errors.Join(err, c.conn.Close())
			}
			errs[i] = err
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// fill creates people until there are n, and gives the rate.
func (b *bench) fill(n int) (perSecond float64, err error) {
	from, start := len(b.ids), time.Now()
	b.table.note("creating %d people", n-from)
	b.ids = append(b.ids, make([]string, n-from)...)
	err = b.clients(64, func(c *client, turn int) (bool, error) {
		i := from + turn
		if i >= n {
			return false, nil
		}
		answer, err := c.send(request{"POST", "/Users", userBody(userName(i))}, "")
		if err != nil {
			return false, err
		}
		b.ids[i], err = idOf(answer)
		return true, err
	})
	return float64(n-from) / time.Since(start).Seconds(), err
}

// turns is how often 1 and 64 clients follow each other. What else happens on
// the machine falls on both then, and the median of the turns' ratios is what
// the software does.
const turns = 5

// written is what durable writes came to in a while.
type written struct {
	perSecond float64
	cpu       time.Duration // of the daemon, for one write
}

// rates measures durable writes: each request changes one User, who has not
// been changed by the one before.
func (b *bench) rates(raw float64) error {
	var ones, manys, ratios []float64
	var oneCPU, manyCPU time.Duration
	for turn := range turns {
		one, err := b.write(1, turn)
		if err != nil {
			return err
		}
		many, err := b.write(64, turn)
		if err != nil {
			return err
		}
		ones, manys, ratios = append(ones, one.perSecond), append(manys, many.perSecond), append(ratios, many.perSecond/one.perSecond)
		oneCPU, manyCPU = oneCPU+one.cpu/turns, manyCPU+many.cpu/turns
	}
	one, many, ratio := median(ones), median(manys), median(ratios)
	b.table.add("durable writes, 1 client", rate(one), "raw commits "+rate(raw), fmt.Sprintf("%.2f", one/raw), "", true)
	b.table.add("durable writes, 64 clients", rate(many), "1 client "+rate(one), fmt.Sprintf("%.2f", ratio), ">= 3", ratio >= 3)
	b.table.add(fmt.Sprintf("the same, lowest and highest of %d turns", turns), "", "", fmt.Sprintf("%.2f to %.2f", slices.Min(ratios), slices.Max(ratios)), "", true)
	b.table.add("durable writes, 64 clients", rate(many), "raw commits "+rate(raw), fmt.Sprintf("%.2f", many/raw), "", true)
	b.table.add("CPU per durable write, 64 clients", micros(manyCPU), "1 client "+micros(oneCPU), fmt.Sprintf("%.2f", float64(manyCPU)/float64(oneCPU)), "", true)
	return nil
}

// write lets clients write for one turn.
func (b *bench) write(clients, turn int) (w written, err error) {
	var done atomic.Int64
	before, err := b.daemon.cpu()
	if err != nil {
		return w, err
	}
	start := time.Now()
	err = b.clients(clients, func(c *client, i int) (bool, error) {
		title := fmt.Sprintf("Title %d of %d, %d", i, clients, turn)
		body := patchBody(`{"op":"Replace","path":"title","value":"` + title + `"}`)
		if _, err := c.send(request{"PATCH", "/Users/" + b.ids[i%len(b.ids)], body}, ""); err != nil {
			return false, err
		}
		done.Add(1)
		return time.Since(start) < b.rate/turns, nil
	})
	took := time.Since(start)
	if err != nil {
		return w, err
	}
	after, err := b.daemon.cpu()
	return written{float64(done.Load()) / took.Seconds(), (after - before) / time.Duration(done.Load())}, err
}

// median sorts an odd number of values and gives the one in the middle.
func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// exchanged is a request of the mix with its answer.
type exchanged struct {
	request
	answer string
}

// mixRound is what Entra does for one person, in five requests.
func mixRound(c *client, name, group string) (all []exchanged, err error) {
	id := ""
	for _, step := range []func() request{
		func() request { return lookup(name) },
		func() request { return request{"POST", "/Users", userBody(name)} },
		func() request { return request{"GET", "/Users/" + id, ""} },
		func() request {
			return request{"PATCH", "/Groups/" + group, patchBody(`{"op":"Add","path":"members","value":[{"value":"` + id + `"}]}`)}
		},
		func() request {
			return request{"PATCH", "/Users/" + id, patchBody(`{"op":"Replace","path":"active","value":"False"}`)}
		},
	} {
		r := step()
		answer, err := c.send(r, "")
		if err != nil {
			return nil, err
		}
		if r.method == "POST" {
			if id, err = idOf(answer); err != nil {
				return nil, err
			}
		}
		all = append(all, exchanged{r, answer})
	}
	return all, nil
}

// mix measures the server's CPU per request of an Entra-like mix, beside an
// echo server with the same bodies.
func (b *bench) mix(c *client, group string) error {
	size := len(b.ids)
	var last []exchanged
	round := func(i int) (err error) {
		last, err = mixRound(c, fmt.Sprintf("mix%d.%d@acme.com", size, i), group)
		return err
	}
	per, err := perRequest(b.daemon, b.rounds, round)
	if err != nil {
		return err
	}
	e, err := dial(b.echoURL, "Authorization: Bearer "+strings.TrimSpace(b.token)+"\r\n")
	if err != nil {
		return err
	}
	var numbers []string
	for i, x := range last {
		numbers = append(numbers, fmt.Sprintf("X-Echo: %d\r\n", i))
		body := request{"PUT", "/", x.answer}
		if _, err := e.send(body, numbers[i]); err != nil {
			return err
		}
	}
	perEcho, err := perRequest(b.echo, 10*b.rounds, func(int) error {
		for i, x := range last {
			if _, err := e.send(x.request, numbers[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	ratio := float64(per) / float64(perEcho)
	b.table.add(fmt.Sprintf("CPU per request of the mix, %d people", size), micros(per), "echo "+micros(perEcho), fmt.Sprintf("%.1f", ratio), "<= 4", ratio <= 4)
	return e.conn.Close()
}

func micros(d time.Duration) string { return fmt.Sprintf("%.0f us", float64(d)/1000) }

// perRequest is the CPU time that a server spends on one request of a round
// of five.
func perRequest(server *child, rounds int, round func(i int) error) (time.Duration, error) {
	warm := rounds / 10
	var before time.Duration
	for i := range warm + rounds {
		if i == warm {
			var err error
			if before, err = server.cpu(); err != nil {
				return 0, err
			}
		}
		if err := round(i); err != nil {
			return 0, err
		}
	}
	after, err := server.cpu()
	return (after - before) / time.Duration(rounds*5), err
}

// quantile sorts and gives the value below which a part lies.
func quantile(all []time.Duration, part float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(float64(len(all))*part))]
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

// timed sends requests one after the other and gives how long each took.
func timed(c *client, n int, next func(i int) request) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	for i := range took {
		r := next(i)
		start := time.Now()
		if _, err := c.send(r, ""); err != nil {
			return nil, err
		}
		took[i] = time.Since(start)
	}
	return took, nil
}

// lookups measures look-ups by userName, letter case changed.
func (b *bench) lookups(c *client) error {
	took, err := timed(c, 4000, func(int) request { return lookup(strings.ToUpper(userName(rand.IntN(b.large)))) })
	if err != nil {
		return err
	}
	p99 := quantile(took, 0.99)
	b.table.add(fmt.Sprintf("userName look-up among %d, p99", b.large), millis(p99), "median "+millis(quantile(took, 0.5)), "", "< 5 ms", p99 < 5*time.Millisecond)
	return nil
}

// pages compares the last page with the first.
func (b *bench) pages(c *client) error {
	answer, err := c.send(request{"GET", "/Users?count=0", ""}, "")
	if err != nil {
		return err
	}
	total := 0
	_, rest, _ := strings.Cut(answer, `"totalResults":`)
	if _, err := fmt.Sscanf(rest, "%d", &total); err != nil {
		return fmt.Errorf("no total in %q: %w", answer, err)
	}
	page := func(start int) request {
		return request{"GET", fmt.Sprintf("/Users?startIndex=%d&count=100", start), ""}
	}
	took, err := timed(c, 200, func(i int) request {
		if i%2 == 0 {
			return page(1)
		}
		return page(total - 99)
	})
	if err != nil {
		return err
	}
	var first, last []time.Duration
	for i, d := range took {
		if i%2 == 0 {
			first = append(first, d)
		} else {
			last = append(last, d)
		}
	}
	l, f := quantile(last, 0.5), quantile(first, 0.5)
	ratio := float64(l) / float64(f)
	b.table.add(fmt.Sprintf("last page of %d, 100 Users, median", total), millis(l), "first page "+millis(f), fmt.Sprintf("%.2f", ratio), "<= 1.5", ratio <= 1.5)
	return nil
}

// groups compares adding one person to a large group with adding one to a
// group of 10. That the rows written are the same is TestRowsOfGroupAdd's.
func (b *bench) groups(c *client) error {
	create := func(name string, n int) (string, error) {
		answer, err := c.send(request{"POST", "/Groups", groupBody(name)}, "")
		if err != nil {
			return "", err
		}
		id, err := idOf(answer)
		for at := 0; at < n && err == nil; at += 1000 {
			_, err = c.send(request{"PATCH", "/Groups/" + id, members("Add", b.ids[at:min(at+1000, n)]...)}, "")
		}
		return id, err
	}
	small, err := create("Small", 10)
	if err != nil {
		return err
	}
	large, err := create("Large", b.group)
	if err != nil {
		return err
	}
	who := b.ids[len(b.ids)-1]
	var took [2][]time.Duration
	for range 150 {
		for i, group := range []string{small, large} {
			add, err := timed(c, 1, func(int) request { return request{"PATCH", "/Groups/" + group, members("Add", who)} })
			if err != nil {
				return err
			}
			took[i] = append(took[i], add...)
			if _, err := c.send(request{"PATCH", "/Groups/" + group, members("Remove", who)}, ""); err != nil {
				return err
			}
		}
	}
	l, s := quantile(took[1], 0.5), quantile(took[0], 0.5)
	ratio := float64(l) / float64(s)
	b.table.add(fmt.Sprintf("one person into a group of %d, median", b.group), millis(l), "into one of 10 "+millis(s), fmt.Sprintf("%.2f", ratio), "<= 1.5", ratio <= 1.5)
	return nil
}

// members is the body that adds or removes people.
func members(op string, ids ...string) string {
	var s strings.Builder
	for i, id := range ids {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(`{"value":"` + id + `"}`)
	}
	return patchBody(`{"op":"` + op + `","path":"members","value":[` + s.String() + `]}`)
}

// memory reads the daemon's private memory after all of that.
func (b *bench) memory() error {
	n, err := b.daemon.private()
	if err != nil {
		return err
	}
	const bar = 64 << 20
	b.table.add(fmt.Sprintf("private memory with %d people", b.large), fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)), "", "", "< 64 MiB", n < bar)
	return nil
}
