package configs

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

var update = flag.Bool("update", false, "write the expected messages beside the bad configurations")

// write puts files into a new folder and returns the path of the first.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	path := write(t, "rollcall.yaml", Example, "mapping.yaml", ExampleMapping)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the example warns: %v", w)
	}
	dir := filepath.Dir(path)
	if c.Database != "sqlite:"+filepath.Join(dir, "rollcall.db") {
		t.Errorf("database %q is not in the file's folder", c.Database)
	}
	w := c.Workspaces[0]
	if w.Rules == nil || w.Mapping != filepath.Join(dir, "mapping.yaml") || w.Connections[1].ActsAs != workspace.RoleAdmin {
		t.Errorf("workspace %+v", w)
	}
	if n, on := w.Policy.Limits.Seats.Get(); !on || n != 250 {
		t.Errorf("policy.limits.seats is %v", w.Policy.Limits.Seats)
	}
}

// The example shows the defaults: a value in it that is called a default and
// is not would mislead.
func TestExampleShowsDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, "rollcall.yaml", Example, "mapping.yaml", ExampleMapping))
	if err != nil {
		t.Fatal(err)
	}
	var fresh Config
	fresh.setDefaults()
	if diff := cmp.Diff(fresh.Limits, c.Limits); diff != "" {
		t.Errorf("limits differ from the defaults (-default +example):\n%s", diff)
	}
	var w Workspace
	w.setDefaults()
	if diff := cmp.Diff(handoverWays, c.Workspaces[0].Leavers.Handover); diff != "" {
		t.Errorf("handover:\n%s", diff)
	}
	if w.Leavers.Grace != c.Workspaces[0].Leavers.Grace || w.Invitations != c.Workspaces[0].Invitations {
		t.Errorf("leavers or invitations differ from the defaults")
	}
}

// exampleWith is the example with one of its commented connections in force;
// keys that exclude others stay comments.
func exampleWith(t *testing.T, id string) string {
	t.Helper()
	lines := strings.Split(Example, "\n")
	on := false
	for i, line := range lines {
		rest, comment := strings.CutPrefix(line, "      # ")
		if !comment {
			on = false
		}
		if on = on || rest == "- id: "+id; on {
			lines[i] = "      " + rest
		}
	}
	return strings.Join(lines, "\n")
}

func TestExampleDirectoryLoads(t *testing.T) {
	t.Parallel()
	path := write(t, "rollcall.yaml", exampleWith(t, "corp"), "mapping.yaml", ExampleMapping)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the example warns: %v", w)
	}
	corp := c.Workspaces[0].Connections[2]
	if corp.Kind != "ldap" || len(corp.URL) != 2 || corp.People.Filter != "(objectClass=inetOrgPerson)" || corp.Attributes["office"] == "" ||
		corp.BindPassword.String() != "file:/run/secrets/ldap" || corp.MinExpected.N != 0 {
		t.Errorf("connection %+v", corp)
	}
	// What the example calls a default is one.
	var fresh Directory
	fresh.setDefaults()
	want := corp.Directory
	want.URL, want.CA, want.BindDN, want.BindPassword = nil, "", "", fresh.BindPassword
	want.People, want.Groups.Base, want.Groups.Filter, want.Attributes, want.Sentinel = fresh.People, "", "", nil, ""
	want.Flavor, want.IDAttribute, want.Delta = "", "", ""
	if diff := cmp.Diff(fresh, want, cmp.AllowUnexported(secret.Ref{})); diff != "" {
		t.Errorf("directory differs from the defaults (-default +example):\n%s", diff)
	}
}

func TestDirectoryKeys(t *testing.T) {
	t.Parallel()
	head := "listen: 127.0.0.1:0\ndatabase: sqlite:x.db\nworkspaces: [{id: a, owners: [ann@acme.com], connections: [{id: corp, kind: ldap, " +
		"people: {base: 'ou=p,dc=a'}, "
	c, err := Parse([]byte(head+"url: file:dump.ldif, disabled: {attr: employeeStatus, eq: closed}, min_expected: 40, "+
		"brake: {removals: off, tails: 0, group: {percent: 10}, burst: {min: 20, access: hold}, creates: off, numbers: 7}}]}]\n"), filepath.Join("etc", "c.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := c.Workspaces[0].Connections[0].Directory
	if got := d.URL[0]; got != "file:"+filepath.Join("etc", "dump.ldif") {
		t.Errorf("url %s", got)
	}
	if d.Disabled.Attr != "employeeStatus" || d.MinExpected.N != 40 {
		t.Errorf("disabled %+v, min_expected %+v", d.Disabled, d.MinExpected)
	}
	usual := sync.DefaultBrake()
	want := sync.Brake{
		Removals: sync.Limit{Off: true}, Tails: sync.Limit{}, AdminLosses: usual.AdminLosses, Group: sync.Limit{Percent: 10},
		Numbers: sync.Limit{Min: 7}, Addresses: usual.Addresses, Creates: sync.Limit{Off: true},
		Burst: sync.Burst{Limit: sync.Limit{Min: 20, Percent: 30}, Window: time.Hour, Access: sync.BurstHold},
	}
	if diff := cmp.Diff(want, d.Brake); diff != "" {
		t.Errorf("brake (-want +got):\n%s", diff)
	}
}

// Every key of the types stands in the example, commented out or not.
func TestExampleNamesEveryKey(t *testing.T) {
	t.Parallel()
	for _, key := range keys() {
		if !regexp.MustCompile(`(?m)(^|[ #{,-])` + key + `:`).MatchString(Example) {
			t.Errorf("key %s is not in example.yaml", key)
		}
	}
}

// The README's YAML blocks are a configuration and its mapping; each further
// one goes into that configuration where its section says.
func TestReadmeLoads(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 2 || !strings.HasPrefix(blocks[0][1], "listen:") || !strings.HasPrefix(blocks[1][1], "version:") {
		t.Fatalf("%d YAML blocks: the first must be rollcall.yaml, the second mapping.yaml", len(blocks))
	}
	if _, err := Load(write(t, "rollcall.yaml", blocks[0][1], "mapping.yaml", blocks[1][1])); err != nil {
		t.Error(err)
	}
	const listen, connections = "listen: 127.0.0.1:8080\n", "    connections:\n"
	for _, block := range blocks[2:] {
		whole, text := blocks[0][1], block[1]
		indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
		text = strings.TrimPrefix(strings.TrimPrefix(strings.ReplaceAll("\n"+text, "\n"+indent, "\n"), "\n"), "connections:\n")
		top, items, nested := strings.Cut(text, "- id:")
		if strings.HasPrefix(text, "listen:") {
			whole = strings.Replace(whole, listen, "", 1)
		}
		if before, ok := strings.CutSuffix(top, "  "); ok {
			top, items = before, strings.ReplaceAll(items, "\n  ", "\n") // the items stood one step further in
		}
		whole = top + "\n" + whole
		if nested {
			whole = strings.Replace(whole, connections, connections+"      - id:"+strings.ReplaceAll(items, "\n", "\n      ")+"\n", 1)
		}
		if _, err := Load(write(t, "rollcall.yaml", whole, "mapping.yaml", blocks[1][1])); err != nil {
			t.Errorf("%v\n%s", err, whole)
		}
	}
}

// One bad configuration per rule, the expected message beside it (house rule
// 7). Every one is refused, and says where and what to do.
func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d bad configurations, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			_, err := Load(file)
			if err == nil {
				t.Fatal("it loads")
			}
			for _, p := range Problems(err) {
				if p.File == "" || p.Line == 0 && p.Path != "" || p.Text == "" {
					t.Errorf("a problem without place or text: %#v", p)
				}
			}
			beside := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(beside, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(beside)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A password in the wrong place must not be echoed to a terminal or a log.
func TestProblemsKeepSecrets(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"database: postgres://rollcall:hunter2@db.acme.com/rollcall",
		"database: postgres://rollcall@db.acme.com/rollcall?password=hunter2",
		"database: mysql://rollcall:hunter2@db.acme.com/rollcall",
		"database: 'postgres://a:hunter2@[x'",
		"database: sqlite:x.db\ndatabase_password: hunter2",
		"database: sqlite:x.db\ntls: {cert: c.pem, key: hunter2}",
	} {
		_, err := Parse([]byte("listen: 127.0.0.1:0\n"+line+"\nworkspaces: [{id: a, owners: [ann@acme.com]}]\n"), "c.yaml")
		if err == nil {
			t.Errorf("%s: loads", line)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the secret: %v", line, err)
		}
	}
}

func TestDatabaseURL(t *testing.T) {
	t.Setenv("ROLLCALL_TEST_DB", "p@ss/word")
	c, err := Parse([]byte("listen: 127.0.0.1:0\ndatabase: postgres://rollcall@db.acme.com/rollcall\n"+
		"database_password: env:ROLLCALL_TEST_DB\nworkspaces: [{id: a, owners: [ann@acme.com]}]\n"), "c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.DatabaseURL()
	if want := "postgres://rollcall:p%40ss%2Fword@db.acme.com/rollcall"; err != nil || got != want {
		t.Errorf("DatabaseURL = %q, %v, want %q", got, err, want)
	}
}

// An empty list is not an absent one: `approve: []` switches holds off.
func TestEmptyApproveIsKept(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"{}": true, "{approve: []}": false, "{limits: {seats: 1}}": true} {
		c, err := Parse([]byte("listen: 127.0.0.1:0\ndatabase: sqlite:x.db\nworkspaces: [{id: a, owners: [ann@acme.com], policy: "+text+"}]\n"), "c.yaml")
		if err != nil {
			t.Fatal(err)
		}
		p := c.Workspaces[0].Policy
		if got := p.Approve == nil; got != want {
			t.Errorf("policy: %s leaves approve absent: %v, want %v", text, got, want)
		}
		if p.Numbers.Quarantine.Duration() != workspace.DefaultQuarantine {
			t.Errorf("policy: %s loses the default quarantine", text)
		}
	}
}

// Whom the policy names is found whichever way the address is written: by the
// key that members are filed under.
func TestPolicyNamesPeopleByKey(t *testing.T) {
	t.Parallel()
	text := "listen: 127.0.0.1:8080\nadmin_listen: 127.0.0.1:8081\ndatabase: sqlite:x.db\nworkspaces:\n  - id: acme\n    name: Acme\n    owners: [ann@acme.com]\n" +
		"    policy: {protect: {members: [CFO@BÜCHER.example, dan@acme.com]}, break_glass: [Ann@Acme.com]}\n"
	c, err := Load(write(t, "rollcall.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	p := &c.Workspaces[0].Policy
	if diff := cmp.Diff([]string{"cfo@xn--bcher-kva.example", "dan@acme.com"}, p.Protect.Members); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ann@acme.com"}, p.BreakGlass); diff != "" {
		t.Error(diff)
	}
	if _, err := Load(write(t, "rollcall.yaml", strings.Replace(text, "[Ann@Acme.com]", `["Ann <ann@acme.com>"]`, 1))); err == nil ||
		!strings.Contains(err.Error(), "break_glass[0]") {
		t.Errorf("an address with a name: %v", err)
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"0s": 0, "7d": 168 * time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "-1h", "-1d", "d", "1.5d", "99999999d", "1w"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v", text, got)
		}
	}
}

func TestLoadMissingFile(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Example)
	f.Add("listen: [")
	f.Add("workspaces:\n  - {id: a, connections: [{id: x}, null, 3]}\n")
	f.Add("a: &x [*x]\n")
	f.Add("policy: !!binary x\n? [a]\n: b\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text), filepath.Join(t.TempDir(), "c.yaml"))
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
	})
}

// Every key of the types stands in the README, which says what it is for.
func TestReadmeNamesEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys() {
		if !regexp.MustCompile(`\b` + key + `\b`).Match(text) {
			t.Errorf("key %s is not in README.md", key)
		}
	}
}
