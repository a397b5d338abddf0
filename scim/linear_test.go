package scim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

var rounds = flag.Int("rounds", 1, "how many histories of concurrent clients are checked")

// linearCall is what a client asked for.
type linearCall struct {
	object string // which User or Group
	method string
	value  string // PUT: the new title, or the members; PATCH: nickName, "+u" or "-u"; of names: the name
	match  int64  // If-Match, 0 for none
}

// linearAnswer is what it heard.
type linearAnswer struct {
	status  int
	version int64
	state   string // of the resource, where the answer has it; "" where it has not
	unique  bool   // 409 because of a taken name, not because of a lost race
}

// history collects the operations of concurrent clients.
type history struct {
	start time.Time
	mu    stdsync.Mutex
	ops   []porcupine.Operation // guarded by mu
}

// do runs one operation and remembers it.
func (h *history) do(client int, call linearCall, run func() linearAnswer) linearAnswer {
	begun := time.Since(h.start).Nanoseconds()
	out := run()
	op := porcupine.Operation{ClientId: client, Input: call, Call: begun, Output: out, Return: time.Since(h.start).Nanoseconds()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
	return out
}

// check wants an order of the operations that explains all answers.
func (h *history) check(t *testing.T, model porcupine.Model, seed uint64) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(model, h.ops, 5*time.Minute)
	if result == porcupine.Ok {
		return
	}
	file := t.ArtifactDir() + "/linear.html"
	if err := porcupine.VisualizePath(model, info, file); err != nil {
		t.Error(err)
	}
	t.Errorf("%d operations: %s, seed %d (-artifacts keeps %s)", len(h.ops), result, seed, file)
}

// register is a resource with a version.
type register struct {
	version int64
	state   string
}

// registerModel is one register for each resource; change tells what a write
// makes of a state.
func registerModel(initial register, change func(call linearCall, state string) string) porcupine.Model {
	return porcupine.Model{
		Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
			parts := map[string][]porcupine.Operation{}
			for _, op := range ops {
				object := op.Input.(linearCall).object
				parts[object] = append(parts[object], op)
			}
			out := make([][]porcupine.Operation, 0, len(parts))
			for _, part := range parts {
				out = append(out, part)
			}
			return out
		},
		Init: func() any { return initial },
		Step: func(state, input, output any) (bool, any) {
			now, call, out := state.(register), input.(linearCall), output.(linearAnswer)
			fits := func(r register) bool { return out.version == r.version && (out.state == "" || out.state == r.state) }
			switch {
			case out.status == http.StatusConflict:
				return call.match == 0, now // the race was lost, nothing was done
			case out.status == http.StatusPreconditionFailed:
				return call.match != 0 && call.match != now.version, now
			case call.method == http.MethodGet:
				return out.status == http.StatusOK && fits(now), now
			case call.match != 0 && call.match != now.version:
				return false, now // a lost update
			}
			after := register{version: now.version, state: change(call, now.state)}
			if after.state != now.state {
				after.version++
			}
			return (out.status == http.StatusOK || out.status == http.StatusNoContent) && fits(after), after
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// TestLinearizable: what 16 clients hear who read and write the same Users and
// Groups by PUT and PATCH, with and without If-Match, is what they would hear
// one after the other: no update is lost, no userName given twice.
// -rounds=50 searches longer (make linearizability).
func TestLinearizable(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newProvider(t, providerOptions{url: url})
		for round := range *rounds {
			seed := uint64(time.Now().UnixNano())
			p.linearUsers(t, round, seed)
			p.linearGroups(t, round, seed)
			p.linearNames(t, round, seed)
			if t.Failed() {
				return
			}
		}
	})
}

const linearClients = 16

// linearOps is how many operations each client sends; the race detector makes
// each of them long.
var linearOps = max(4, 8/raceFactor)

// clients runs 16 clients at once.
func (h *history) clients(seed uint64, run func(client int, r *rand.Rand)) {
	h.start = time.Now()
	var group stdsync.WaitGroup
	for client := range linearClients {
		group.Go(func() { run(client, rand.New(rand.NewPCG(seed, uint64(client)))) })
	}
	group.Wait()
}

// versionOf reads W/"n".
func versionOf(tag string) int64 {
	n, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// matching is the header of a conditional request.
func matching(match int64) []string {
	if match == 0 {
		return nil
	}
	return []string{"If-Match: " + ETag(match)}
}

// linearUsers: title by PUT, which drops nickName, and nickName by PATCH.
func (p *provider) linearUsers(t *testing.T, round int, seed uint64) {
	t.Helper()
	var ids []string
	for i := range 2 {
		name := fmt.Sprintf("lin%d-%d@acme.com", round, i)
		ids = append(ids, p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"`+name+`","title":"t"}`).is(http.StatusCreated).text("id"))
	}
	var h history
	h.clients(seed, func(client int, r *rand.Rand) {
		known := map[string]int64{}
		for i := range linearOps {
			n := r.IntN(len(ids))
			call := linearCall{object: ids[n], method: []string{"GET", "PUT", "PATCH", "PATCH"}[r.IntN(4)], value: fmt.Sprintf("%d.%d", client, i)}
			if call.method != http.MethodGet && r.IntN(2) == 0 {
				call.match = known[call.object]
			}
			body := ""
			switch call.method {
			case http.MethodPut:
				body = fmt.Sprintf(`{"schemas":[%q],"userName":"lin%d-%d@acme.com","title":%q}`, URNUser, round, n, call.value)
			case http.MethodPatch:
				body = patchBody(fmt.Sprintf(`{"op":"replace","path":"nickName","value":%q}`, call.value))
			}
			out := h.do(client, call, func() linearAnswer {
				a := p.request("okta", call.method, "/Users/"+call.object, body, matching(call.match)...)
				out := linearAnswer{status: a.status, version: versionOf(a.header.Get("ETag"))}
				if a.status == http.StatusOK {
					nick, _ := a.at("nickName").(string)
					out.state = a.text("title") + "/" + nick
				}
				return out
			})
			if out.version != 0 {
				known[call.object] = out.version
			}
		}
	})
	h.check(t, registerModel(register{1, "t/"}, func(call linearCall, state string) string {
		title, _, _ := strings.Cut(state, "/")
		if call.method == http.MethodPut {
			return call.value + "/"
		}
		return title + "/" + call.value
	}), seed)
}

// linearGroups: members one by one by PATCH, all of them by PUT.
func (p *provider) linearGroups(t *testing.T, round int, seed uint64) {
	t.Helper()
	var users []string
	letters := map[string]string{} // of ids
	for i := range 4 {
		id := p.request("okta", "POST", "/Users", userBody(fmt.Sprintf("mem%d-%d@acme.com", round, i))).is(http.StatusCreated).text("id")
		users, letters[id] = append(users, id), string(rune('a'+i))
	}
	name := fmt.Sprintf("group %d", round)
	id := p.request("okta", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"`+name+`"}`).is(http.StatusCreated).text("id")
	var h history
	h.clients(seed, func(client int, r *rand.Rand) {
		var known int64
		for range linearOps {
			call := linearCall{object: id, method: []string{"GET", "PATCH", "PATCH", "PUT"}[r.IntN(4)]}
			if call.method != http.MethodGet && r.IntN(3) == 0 {
				call.match = known
			}
			one, other := users[r.IntN(len(users))], users[r.IntN(len(users))]
			body := ""
			switch {
			case call.method == http.MethodPut:
				call.value = letters[one]
				body = `{"schemas":["` + URNGroup + `"],"displayName":"` + name + `","members":[{"value":"` + one + `"}]}`
				if one != other {
					call.value += letters[other]
					body = strings.Replace(body, `"}]`, `"},{"value":"`+other+`"}]`, 1)
				}
			case call.method == http.MethodPatch && r.IntN(2) == 0:
				call.value = "+" + letters[one]
				body = patchBody(`{"op":"add","path":"members","value":[{"value":"` + one + `"}]}`)
			case call.method == http.MethodPatch:
				call.value = "-" + letters[one]
				body = patchBody(`{"op":"remove","path":"members[value eq \"` + one + `\"]"}`)
			}
			out := h.do(client, call, func() linearAnswer {
				a := p.request("okta", call.method, "/Groups/"+id, body, matching(call.match)...)
				out := linearAnswer{status: a.status, version: versionOf(a.header.Get("ETag"))}
				if call.method == http.MethodGet {
					out.state = "members "
					var list []string
					for i := 0; a.at("members", i) != nil; i++ {
						list = append(list, letters[a.text("members", i, "value")])
					}
					slices.Sort(list)
					out.state += strings.Join(list, "")
				}
				return out
			})
			if out.version != 0 {
				known = out.version
			}
		}
	})
	h.check(t, registerModel(register{1, "members "}, func(call linearCall, state string) string {
		list := []byte(strings.TrimPrefix(state, "members "))
		switch letter := call.value[len(call.value)-1]; {
		case call.method == http.MethodPut:
			list = []byte(call.value)
		case call.value[0] == '-':
			list = slices.DeleteFunc(list, func(c byte) bool { return c == letter })
		case !slices.Contains(list, letter):
			list = append(list, letter)
		}
		slices.Sort(list)
		return "members " + string(list)
	}), seed)
}

// linearNames: of a userName there is one User at a time, however many are
// made, renamed and deleted.
func (p *provider) linearNames(t *testing.T, round int, seed uint64) {
	t.Helper()
	names := []string{"red", "blue"}
	var h history
	h.clients(seed, func(client int, r *rand.Rand) {
		mine, address := "", ""
		for i := range 4 {
			call := linearCall{object: mine, method: http.MethodPost, value: fmt.Sprintf("%s%d", names[r.IntN(len(names))], round)}
			if mine != "" {
				call.method = []string{http.MethodDelete, http.MethodPut}[r.IntN(2)]
			}
			if mine == "" {
				// A leaver's address under another id would wait for a person (VW09).
				address = fmt.Sprintf("a%d-%d-%d@acme.com", round, client, i)
			}
			body := `{"schemas":["` + URNUser + `"],"userName":"` + call.value + `","emails":[{"value":"` + address + `","primary":true}]}`
			path := "/Users"
			if mine != "" {
				path += "/" + mine
			}
			if call.method == http.MethodDelete {
				body, call.value = "", ""
			}
			out := h.do(client, call, func() linearAnswer {
				a := p.request("okta", call.method, path, body)
				out := linearAnswer{status: a.status, unique: a.status == http.StatusConflict && a.at("scimType") == "uniqueness"}
				if a.status == http.StatusCreated {
					out.state = a.text("id")
				}
				return out
			})
			switch {
			case out.status == http.StatusCreated:
				mine = out.state
			case call.method == http.MethodDelete && out.status == http.StatusNoContent:
				mine = ""
			}
		}
		if mine != "" {
			h.do(client, linearCall{object: mine, method: http.MethodDelete}, func() linearAnswer {
				return linearAnswer{status: p.request("okta", "DELETE", "/Users/"+mine, "").status}
			})
		}
	})
	// The state is who has which name: "name=id name=id".
	h.check(t, porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			held, call, out := strings.Fields(state.(string)), input.(linearCall), output.(linearAnswer)
			holder := ""
			for _, entry := range held {
				if name, id, _ := strings.Cut(entry, "="); name == call.value {
					holder = id
				}
			}
			without := slices.DeleteFunc(slices.Clone(held), func(entry string) bool { return call.object != "" && strings.HasSuffix(entry, "="+call.object) })
			with := func(id string) string {
				list := append(without, call.value+"="+id)
				slices.Sort(list)
				return strings.Join(list, " ")
			}
			switch {
			case out.unique:
				return holder != "" && holder != call.object, state
			case out.status == http.StatusConflict:
				return call.method == http.MethodPut, state
			case call.method == http.MethodDelete:
				return out.status == http.StatusNoContent, strings.Join(without, " ")
			case call.method == http.MethodPost:
				return out.status == http.StatusCreated && holder == "", with(out.state)
			}
			return out.status == http.StatusOK && (holder == "" || holder == call.object), with(call.object)
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}, seed)
}
