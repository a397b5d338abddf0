package ldap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// seen is what two ways of reading must agree on, by id.
type seen map[string][]string

// dialect is how a kind of server says who somebody is and who is disabled.
type dialect struct {
	id, lock, locked string
}

var (
	slapdDialect = dialect{id: "entryUUID", lock: "pwdAccountLockedTime", locked: "000001010000Z"}
	ds389Dialect = dialect{id: "nsUniqueId", lock: "nsAccountLock", locked: "true"}
)

// independent reads the directory without this package.
func (c *hands) independent(as dialect) seen {
	c.t.Helper()
	res, err := c.admin.Search(goldap.NewSearchRequest(peopleBase, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=inetOrgPerson)", []string{as.id, "uid", "mail", "title", as.lock}, nil))
	if err != nil {
		c.t.Fatal(err)
	}
	out := seen{}
	for _, e := range res.Entries {
		locked := e.GetAttributeValue(as.lock) == as.locked
		hex := strings.ReplaceAll(e.GetEqualFoldAttributeValue(as.id), "-", "")
		id := strings.Join([]string{hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:]}, "-")
		out[id] = []string{e.GetAttributeValue("uid"), e.GetAttributeValue("mail"), e.GetAttributeValue("title"), fmt.Sprint(!locked)}
	}
	return out
}

// Any sequence of changes, read by deltas alone, ends in what an independent
// reading says; at the end a Full and a sweep say the same.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 6)
	c.randomChanges(t, newSource(t, slapdConfig(t, c.Slapd), Options{}), slapdDialect, false)
}

// randomChanges needs six people. With sweeps an id sweep after each delta
// says who is absent, where deltas alone cannot.
func (c *hands) randomChanges(t *testing.T, s *Source, as dialect, sweeps bool) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	whole, cursor := full(t, s)
	state := seen{}
	for id, who := range whole.People() {
		title, _ := who.Attributes.First("title")
		state[id] = []string{who.UserName, who.Email, title, fmt.Sprint(who.Active)}
	}
	here := []string{"p00", "p01", "p02", "p03", "p04", "p05"}
	var away []string
	made := 0
	for step := range 80 {
		what := ""
		for range 1 + rnd.IntN(3) {
			what += c.randomChange(rnd, as, &here, &away, &made) + " "
		}
		d, next := delta(t, s, cursor)
		cursor = next
		for id := range d.Gone() {
			delete(state, id)
		}
		for id, who := range d.People() {
			title, _ := who.Attributes.First("title")
			state[id] = []string{who.UserName, who.Email, title, fmt.Sprint(who.Active)}
		}
		if sweeps {
			present := &sourcetest.Collector{}
			if err := s.Sweep(ctxFor(t), present); err != nil {
				t.Fatal(err)
			}
			maps.DeleteFunc(state, func(id string, _ []string) bool { return !present.Present()[id] })
		}
		if diff := cmp.Diff(c.independent(as), state); diff != "" {
			t.Fatalf("seed %d, step %d (%s): independent reading and deltas differ:\n%s", seed, step, what, diff)
		}
	}
	again, _ := full(t, s)
	if len(again.People()) != len(state) {
		t.Errorf("seed %d: Full finds %d people, deltas %d", seed, len(again.People()), len(state))
	}
	for id := range state {
		if _, ok := again.People()[id]; !ok {
			t.Errorf("seed %d: Full does not find %s", seed, id)
		}
	}
}

// randomChange changes one thing and says what.
func (c *hands) randomChange(rnd *rand.Rand, as dialect, here, away *[]string, made *int) string {
	if len(*here) < 3 {
		*made++
		uid := fmt.Sprintf("n%03d", *made)
		c.person(uid)
		*here = append(*here, uid)
		return "add " + uid
	}
	i := rnd.IntN(len(*here))
	uid := (*here)[i]
	drop := func() { *here = slices.Delete(*here, i, i+1) }
	switch rnd.IntN(8) {
	case 0:
		*made++
		fresh := fmt.Sprintf("n%03d", *made)
		c.person(fresh)
		*here = append(*here, fresh)
		return "add " + fresh
	case 1:
		c.remove(personDN(uid))
		drop()
		return "delete " + uid
	case 2:
		c.modify(personDN(uid), func(m *goldap.ModifyRequest) { m.Replace("title", []string{fmt.Sprint("title ", rnd.IntN(1000))}) })
		return "title " + uid
	case 3:
		c.modify(personDN(uid), func(m *goldap.ModifyRequest) { m.Replace(as.lock, []string{as.locked}) })
		return "disable " + uid
	case 4:
		c.modify(personDN(uid), func(m *goldap.ModifyRequest) { m.Replace(as.lock, nil) })
		return "enable " + uid
	case 5:
		*made++
		fresh := fmt.Sprintf("r%03d", *made)
		c.move(personDN(uid), "uid="+fresh, "")
		(*here)[i] = fresh
		return "rename " + uid + " to " + fresh
	case 6:
		c.move(personDN(uid), "uid="+uid, "ou=alumni,"+ldaptest.Suffix)
		drop()
		*away = append(*away, uid)
		return "move away " + uid
	}
	if len(*away) == 0 {
		return "nothing"
	}
	back := (*away)[0]
	*away = (*away)[1:]
	c.move("uid="+back+",ou=alumni,"+ldaptest.Suffix, "uid="+back, peopleBase)
	*here = append(*here, back)
	return "move back " + back
}
