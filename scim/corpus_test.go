package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// corpusMapping makes what requests do visible: groups by department and by
// directory group, an Admin by a group.
const corpusMapping = `version: 1
owner: olga@acme.com
roles:
  - {id: r-admin, role: admin, if: {group: phone-admins}, approve: always}
  - {id: r-member, role: member}
groups:
  - {id: g-dept, to: {attr: department}, create: true}
  - {id: g-sales, to: Sellers, if: {group: Sales}, create: true}
numbers:
  - {id: n-desk, access: shared, number: "+4722000099", if: {group: Sales}}
`

// TestCorpus sends every shape of testdata/corpus (what the clients of scim
// section 8 send, tolerances and ambiguities) to a connection of every
// profile, and compares answers and what became of the workspace with the
// golden ones. Profiles that get the same stand together; -update writes.
func TestCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.txtar"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	profiles := ProfileNames()
	if raceFactor > 1 {
		profiles = []string{"entra", "strict"} // the others differ by data alone
	}
	all := newCorpus(t, len(files), profiles)
	for i, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := corpusCase{archive: a}
			for _, profile := range profiles {
				c.add(profile, playCorpus(all.provider(t, i, profile), c.requests()))
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(c.golden()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, profile := range profiles {
				if diff := cmp.Diff(c.want(profile), c.got[profile]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", profile, diff)
				}
			}
		})
	}
}

// corpusCase is one file: requests, and per profile what they brought about.
type corpusCase struct {
	archive *txtar.Archive
	order   []string // outcomes that differ, in the order of profiles
	of      map[string][]string
	got     map[string]string
}

func (c *corpusCase) section(name string) string {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// requests are divided by empty lines; the first line of each is method and
// path.
func (c *corpusCase) requests() []string {
	return strings.Split(strings.TrimSpace(c.section("requests")), "\n\n")
}

func (c *corpusCase) add(profile, outcome string) {
	if c.of == nil {
		c.of, c.got = map[string][]string{}, map[string]string{}
	}
	if len(c.of[outcome]) == 0 {
		c.order = append(c.order, outcome)
	}
	c.of[outcome] = append(c.of[outcome], profile)
	c.got[profile] = outcome
}

// want is the golden outcome of a profile.
func (c *corpusCase) want(profile string) string {
	for _, f := range c.archive.Files {
		if slices.Contains(strings.Fields(f.Name), profile) {
			return string(f.Data)
		}
	}
	return ""
}

// golden is the file with the outcomes of this run.
func (c *corpusCase) golden() *txtar.Archive {
	a := &txtar.Archive{Comment: c.archive.Comment, Files: c.archive.Files[:1]}
	for _, outcome := range c.order {
		a.Files = append(a.Files, txtar.File{Name: strings.Join(c.of[outcome], " "), Data: []byte(outcome)})
	}
	return a
}

// corpus is one store with a workspace for each file and profile: opening a
// store for each would take most of the time.
type corpus struct {
	provider0 provider
	tokens    map[string]string // by workspace
}

// corpusWorkspace names the workspace of a file and a profile.
func corpusWorkspace(file int, profile string) string { return fmt.Sprintf("w%d-%s", file, profile) }

func newCorpus(t *testing.T, files int, profiles []string) *corpus {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: liteURL(t), AllowNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	rules, err := mapping.Load([]byte(corpusMapping), mapping.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	opt := sync.Options{Store: s, Build: "test"}
	for file := range files {
		for _, profile := range profiles {
			opt.Workspaces = append(opt.Workspaces, sync.Workspace{
				ID: corpusWorkspace(file, profile), Name: "Acme Inc", Plan: "business", Owners: []string{"olga@acme.com", "otto@acme.com"}, Rules: rules,
				Connections: []sync.Connection{{ID: "idp", Kind: "scim", Profile: profile, ActsAs: workspace.RoleAdmin}},
			})
		}
	}
	e, err := sync.New(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHandler(Options{Engine: e, Store: s, PublicURL: "https://phone.acme.com"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := &corpus{provider0: provider{handler: h, engine: e, store: s}, tokens: map[string]string{}}
	for i := range opt.Workspaces {
		p := c.provider0
		p.t, p.workspace = t, opt.Workspaces[i].ID
		c.tokens[p.workspace] = p.newToken(store.TokenRow{Connection: "idp"}).Reveal()
	}
	return c
}

// provider is the service as one connection of one workspace sees it.
func (c *corpus) provider(t *testing.T, file int, profile string) *provider {
	p := c.provider0
	p.t, p.workspace = t, corpusWorkspace(file, profile)
	p.tokens = map[string]string{"idp": c.tokens[p.workspace]}
	return &p
}

// playCorpus sends the requests to a fresh workspace with Ann, who is in
// Sales, and Bo, and tells answers and differences as text.
func playCorpus(p *provider, requests []string) string {
	t := p.t
	t.Helper()
	_, err := p.engine.Edit(t.Context(), sync.EditBatch{
		Workspace: p.workspace, As: "olga@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI,
		Edits: []sync.Edit{{Kind: sync.EditImport, Import: &sync.NumberImport{E164: "+4722000099", Name: "Desk", Type: "local", Pool: "oslo"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, name := range []string{"ann", "bo"} {
		made := p.request("idp", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"`+name+`@acme.com","externalId":"ext-`+name+`","title":"Clerk","active":true,`+
			`"name":{"givenName":"`+name+`","familyName":"Berg"},"emails":[{"value":"`+name+`@acme.com","type":"home","primary":true}]}`).is(http.StatusCreated)
		names["{"+name+"}"] = made.at("id").(string)
	}
	made := p.request("idp", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"Sales","externalId":"ext-sales","members":[{"value":"`+names["{ann}"]+`"}]}`).is(http.StatusCreated)
	names["{sales}"] = made.at("id").(string)
	before := p.state()
	var out strings.Builder
	for i, text := range requests {
		line, body, _ := strings.Cut(text, "\n")
		method, target, _ := strings.Cut(line, " ")
		for name, id := range names {
			body, target = strings.ReplaceAll(body, name, id), strings.ReplaceAll(target, name, id)
		}
		path, query, asked := strings.Cut(target, "?")
		if asked {
			path += "?" + encodeQuery(query)
		}
		a := p.request("idp", method, path, body)
		a.is(a.status) // every answer is one of SCIM
		if a.status == http.StatusCreated {
			names[fmt.Sprintf("{%d}", i+1)] = a.at("id").(string)
		}
		fmt.Fprintf(&out, "%d  %s\n%d\n%s", i+1, named(line, names), a.status, readable(t, a.body, names))
	}
	return out.String() + moved(before, p.state())
}

// encodeQuery encodes the values of a query that is written as people read it.
func encodeQuery(text string) string {
	var parts []string
	for part := range strings.SplitSeq(text, "&") {
		name, value, has := strings.Cut(part, "=")
		if has {
			part = name + "=" + url.QueryEscape(value)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "&")
}

var (
	corpusTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	corpusUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	corpusHash = regexp.MustCompile(`approve [0-9a-f]{12}`)
)

// named puts names for what differs from run to run.
func named(text string, names map[string]string) string {
	for name, id := range names {
		text = strings.ReplaceAll(text, id, name)
	}
	text = corpusTime.ReplaceAllString(text, "TIME")
	text = corpusHash.ReplaceAllString(text, "approve HASH")
	return corpusUUID.ReplaceAllString(text, "UUID")
}

// readable is a body as people read it, without what differs from run to run.
// The documents of discovery have golden files of their own.
func readable(t testing.TB, body string, names map[string]string) string {
	t.Helper()
	if body == "" {
		return ""
	}
	if strings.Contains(body, "ServiceProviderConfig") {
		return "(the configuration of the service provider)\n"
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(body), "", "  "); err != nil {
		t.Fatal(err)
	}
	return named(b.String(), names) + "\n"
}

// state is the workspace as text, a line for each thing.
func (p *provider) state() []string {
	p.t.Helper()
	var lines []string
	err := p.store.In(p.workspace).View(p.t.Context(), func(r *store.Reader) error {
		members, err := r.Members(store.MemberFilter{Limit: 100, States: []workspace.MemberState{"active", "deactivated", "removed"}})
		if err != nil {
			return err
		}
		for i := range members {
			m := &members[i]
			line := fmt.Sprintf("member %s, %s, %s, %s, groups %v", m.Email, m.Name, m.Role, m.State, m.Groups)
			for _, n := range m.Numbers {
				line += fmt.Sprintf(", %s %s", n.Number, n.Access)
			}
			lines = append(lines, line)
		}
		holds, err := r.OpenHolds("")
		for i := range holds {
			lines = append(lines, "hold "+named(holds[i].Reason, nil))
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// moved tells which lines went and came.
func moved(before, after []string) string {
	var out strings.Builder
	for _, line := range before {
		if !slices.Contains(after, line) {
			fmt.Fprintln(&out, "-", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			fmt.Fprintln(&out, "+", line)
		}
	}
	if out.Len() == 0 {
		return "the workspace is as it was\n"
	}
	return out.String()
}
