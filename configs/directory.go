package configs

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/ldap"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Directory are the keys of a connection of kind ldap: what the source reads,
// and how often and how carefully the poller reads it. After Load its paths
// are relative to the working directory and its defaults are filled in.
type Directory struct {
	ldap.Config `yaml:",inline"`

	// Poll and Full are schedules: five fields of cron in UTC, or @every 1m.
	// Full reads everything anew and finds what deltas have missed.
	Poll string `yaml:"poll"`
	Full string `yaml:"full"`
	// Deadline bounds one run.
	Deadline time.Duration `yaml:"deadline"`
	Brake    sync.Brake    `yaml:"brake"`
}

// setDefaults fills what a directory's keys may leave out. The defaults that
// depend on the kind of server are the source's own.
func (c *Directory) setDefaults() {
	c.Groups.Nested = true
	c.Sweep = 15 * time.Minute
	c.PageSize = 500
	c.OutOfScope = "deactivate"
	c.Timeouts = ldap.Timeouts{Dial: 3 * time.Second, Bind: 10 * time.Second, Idle: 10 * time.Second, Page: 30 * time.Second}
	c.Poll, c.Full = "@every 1m", "17 3 * * *"
	c.Deadline = 30 * time.Minute
	c.Brake = sync.DefaultBrake()
}

// directory judges a connection of kind ldap.
func (j *judge) directory(path string, c *Connection) {
	for _, err := range c.Config.Validate() {
		key, text, _ := strings.Cut(err.Error(), ": ")
		j.addf(path+"."+key, "%s", text)
	}
	if c.PageSize == 0 {
		j.addf(path+".page_size", "0: servers and pages hold 1 to 1000 entries; leave it out for 500")
	}
	for _, t := range []struct {
		key   string
		limit time.Duration
	}{{"dial", c.Timeouts.Dial}, {"bind", c.Timeouts.Bind}, {"idle", c.Timeouts.Idle}, {"page", c.Timeouts.Page}} {
		if t.limit == 0 {
			j.addf(path+".timeouts."+t.key, "is 0s: a wait without end would hang the poll; leave it out for the default")
		}
	}
	if c.People.Nested {
		j.addf(path+".people.nested", "is about groups within groups: write it under groups")
	}
	if c.Sweep < time.Minute || c.Sweep > 24*time.Hour {
		j.addf(path+".sweep", "is %s: a lost right is noticed by the sweep alone; write a time from 1m to 24h", c.Sweep)
	}
	j.polled(path, c)
}

// polled judges the keys of a directory that is read, however it is read.
func (j *judge) polled(path string, c *Connection) {
	for _, s := range []struct{ key, spec, example string }{{"poll", c.Poll, `"@every 1m"`}, {"full", c.Full, `"17 3 * * *"`}} {
		if s.spec == "" {
			j.addf(path+"."+s.key, "is empty: write a schedule such as %s", s.example)
		} else if err := sync.CheckSchedule(s.spec); err != nil {
			j.addf(path+"."+s.key, "%v", err)
		}
	}
	if c.Deadline < time.Minute || c.Deadline > 24*time.Hour {
		j.addf(path+".deadline", "is %s: write a time from 1m to 24h", c.Deadline)
	}
	j.brake(path, &c.Brake)
}

// brake judges the limits of a connection that states who exists.
func (j *judge) brake(path string, b *sync.Brake) {
	for _, l := range []struct {
		key   string
		limit sync.Limit
	}{
		{"removals", b.Removals},
		{"tails", b.Tails},
		{"burst", b.Burst.Limit},
		{"admin_losses", b.AdminLosses},
		{"group", b.Group},
		{"numbers", b.Numbers},
		{"addresses", b.Addresses},
		{"creates", b.Creates},
	} {
		if x := l.limit; x.Min < 0 || x.Max < 0 || x.Percent < 0 || x.Percent > 100 {
			j.addf(path+".brake."+l.key, "is out of range: min and max from 0, percent from 0 to 100")
		}
	}
}

// under takes the directory's files from a folder.
func (c *Directory) under(from func(string) string, dir string) {
	file := func(text string) string { return fileUnder(from, text) }
	for i := range c.URL {
		c.URL[i] = file(c.URL[i])
	}
	c.CA, c.ClientCert = file(c.CA), file(c.ClientCert)
	c.BindPassword, c.ClientKey = c.BindPassword.Under(dir), c.ClientKey.Under(dir)
}

// fileUnder takes the path of file:PATH from a folder; other texts stay.
func fileUnder(from func(string) string, text string) string {
	if path, ok := strings.CutPrefix(text, "file:"); ok && path != "" {
		return "file:" + from(path)
	}
	return text
}

// kindKeys are the keys that not every kind of connection obeys.
var kindKeys = map[string][]string{
	"scim":    append(keysOf(reflect.TypeFor[Push]()), "profile", "rate", "mode", "brake"),
	"ldap":    append(keysOf(reflect.TypeFor[Directory]()), "mode"),
	oidc.Kind: append(append(keysOf(reflect.TypeFor[oidc.Config]()), polledKeys...), "mode"),
	kindAPI:   {},
}

// polledKeys are the keys of a directory that is read, however it is read.
var polledKeys = []string{"ca", "poll", "full", "deadline", "brake", "min_expected", "sentinel", "out_of_scope"}

// kindAPI is the kind of programs that call the JSON API. They have no
// authority of their own: each request names the member it acts for.
const kindAPI = "api"

func keysOf(t reflect.Type) []string {
	_, names := fieldsOf(t)
	return names
}

// usualPoll sets how often a directory API is read, where the file does not.
func (d *decoder) usualPoll(n string, c *Connection) {
	usual, known := oidc.UsualPolls[c.OIDC.Directory.Kind]
	if _, written := d.places[n+".poll"]; known && !written {
		c.Poll = usual
	}
}

// Polled reports whether the connection is a directory that is read on a
// schedule.
func (c *Connection) Polled() bool { return c.Kind == ldap.Kind || c.OIDC.Directory.Has() }

// foreign refuses keys that another kind of connection obeys: without effect
// they would only mislead.
func (d *decoder) foreign(n string, c *Connection) {
	if c.Kind == kindAPI {
		c.ActsAs = workspace.RoleNone
		for _, name := range []string{"acts_as", "sponsor"} {
			if at, written := d.places[n+"."+name]; written {
				d.problems = append(d.problems, &Problem{
					File: d.file, Line: at.Line, Column: at.Column, Path: n + "." + name,
					Text: "has no meaning for kind api, whose requests name the acting member: remove it",
				})
			}
		}
	}
	own, known := kindKeys[c.Kind]
	if !known {
		return
	}
	of := map[string][]string{}
	for _, kind := range slices.Sorted(maps.Keys(kindKeys)) {
		for _, name := range kindKeys[kind] {
			of[name] = append(of[name], kind)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		at, written := d.places[n+"."+name]
		if !written || slices.Contains(own, name) {
			continue
		}
		d.problems = append(d.problems, &Problem{
			File: d.file, Line: at.Line, Column: at.Column, Path: n + "." + name,
			Text: "belongs to connections of kind " + strings.Join(of[name], " or ") + ", and this one is of kind " + c.Kind + ": remove it",
		})
	}
}
