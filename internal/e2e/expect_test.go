package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
)

// This file reads a directory and works out what the workspace must be,
// without a line of what is tested: by ldapsearch, and by a few lines that
// say what the mapping says.

// entry is an entry as ldapsearch prints it; names of attributes are in lower
// case.
type entry map[string][]string

func (e entry) first(name string) string {
	if v := e[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// ldapsearch prints a whole subtree.
func ldapsearch(t testing.TB, url, dn, password, base string) []entry {
	t.Helper()
	cmd := exec.Command("ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", "-H", url, "-D", dn, "-w", password, "-b", base,
		"(objectClass=*)", "*", "pwdAccountLockedTime", "nsAccountLock")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ldapsearch: %v\n%s", err, &complaints)
	}
	var all []entry
	var e entry
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ":")
		switch {
		case lines.Text() == "":
			e = nil
			continue
		case !ok || strings.HasPrefix(name, "#"):
			continue
		case strings.HasPrefix(value, ":"):
			raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value[1:]))
			if err != nil {
				t.Fatal(err)
			}
			value = string(raw)
		}
		if e == nil {
			e = entry{}
			all = append(all, e)
		}
		name = strings.ToLower(name)
		e[name] = append(e[name], strings.TrimPrefix(value, " "))
	}
	return all
}

// reading is a directory as the mapping sees it.
type reading struct {
	people []entry // in scope
	groups []entry
	active func(entry) bool
}

// fold makes names comparable; the tests use no harder ones.
func folded(dn string) string {
	parts := strings.Split(strings.ToLower(dn), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ",")
}

// below lists the entries of a class directly or deeper below a base.
func below(all []entry, base, class string) (found []entry) {
	for _, e := range all {
		inside := strings.HasSuffix(folded(e.first("dn")), ","+folded(base))
		if inside && slices.ContainsFunc(e["objectclass"], func(c string) bool { return strings.EqualFold(c, class) }) {
			found = append(found, e)
		}
	}
	return found
}

// members lists who is in a group, directly or through others.
func (r *reading) members(name string) map[string]bool {
	in, seen := map[string]bool{}, map[string]bool{}
	byDN := map[string]entry{}
	for _, g := range r.groups {
		byDN[folded(g.first("dn"))] = g
	}
	var within func(group entry)
	within = func(group entry) {
		dn := folded(group.first("dn"))
		if seen[dn] {
			return
		}
		seen[dn] = true
		for _, m := range group["member"] {
			in[folded(m)] = true
			if g, ok := byDN[folded(m)]; ok {
				within(g)
			}
		}
	}
	for _, g := range r.groups {
		if strings.EqualFold(g.first("cn"), name) {
			within(g)
		}
	}
	return in
}

// wanted is the mapping in a few lines: who is an active member, and as what.
func wanted(r reading) map[string]string {
	out := map[string]string{}
	admins, team := r.members("phone-admins"), r.members("team")
	for _, p := range r.people {
		if !r.active(p) {
			continue
		}
		dn := folded(p.first("dn"))
		role := "member"
		if admins[dn] {
			role = "admin"
		}
		var groups []string
		department := p.first("departmentnumber")
		if department == "" {
			department = p.first("department")
		}
		if slices.Contains([]string{"Sales", "Support", "Finance"}, department) {
			groups = append(groups, department)
		}
		if team[dn] {
			groups = append(groups, "Team")
		}
		out[p.first("mail")] = strings.TrimSpace(role + " " + strings.Join(groups, ","))
	}
	return out
}

func readTree(t testing.TB, s *tree) reading {
	t.Helper()
	all := ldapsearch(t, s.url, ldaptest.RootDN, ldaptest.RootPW, ldaptest.Suffix)
	return reading{
		people: below(all, slapdPeople, "inetOrgPerson"), groups: below(all, slapdGroups, "groupOfNames"),
		active: func(e entry) bool { return e.first(strings.ToLower(s.lock)) != s.locked },
	}
}

func readSamba(t testing.TB, s *ldaptest.Samba) reading {
	t.Helper()
	all := ldapsearch(t, s.URL(), ldaptest.AdminName, ldaptest.DomainPW, ldaptest.Domain)
	return reading{
		people: below(all, sambaPeople, "user"), groups: below(all, sambaGroups, "group"),
		active: func(e entry) bool {
			bits, err := strconv.Atoi(e.first("useraccountcontrol"))
			if err != nil {
				t.Fatal(err)
			}
			return bits&2 == 0
		},
	}
}
