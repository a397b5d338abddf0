package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// Check is "test connection": it binds on a connection of its own, tries
// every right with one small read, counts people and groups, and says what
// will stay invisible (SO6). It writes nothing. An error means that nothing
// could be tested; lacking rights stand in the probe.
func (s *Source) Check(ctx context.Context) (sync.Probe, error) {
	if s.cfg.file() {
		return s.checkDump(ctx)
	}
	l, err := s.dial(ctx)
	if err != nil {
		return sync.Probe{}, err
	}
	defer l.close()
	r, err := s.newReader(l)
	if err != nil {
		return sync.Probe{}, err
	}
	c := &checkup{reader: r, probe: sync.Probe{Server: l.root.server, Tenant: l.root.tenant}}
	if err := r.pinned(&l.root, ""); err != nil {
		return c.probe, err
	}
	c.grant("bind and read the root DSE", true, string(l.root.flavor)+" "+l.root.vendor)
	for _, step := range []func(context.Context) error{c.people, c.groups, c.changes, c.tombstones, c.sentinels} {
		if err := step(ctx); err != nil {
			return c.probe, err
		}
	}
	c.others(ctx)
	c.warn()
	return c.probe, nil
}

// others tries the servers that this one stands in for or that stand in for
// it: a mistyped address would show on the day when it is needed.
func (c *checkup) others(ctx context.Context) {
	if len(c.cfg.URL) < 2 {
		return
	}
	for i, text := range c.cfg.URL {
		if i == c.lastServer() {
			continue
		}
		l, err := c.dialOne(ctx, text, c.l.creds)
		if err != nil {
			c.warnf("url[%d]: %s cannot stand in for %s: %v%s", i, text, c.l.root.server, err, c.dialRemedy(text, err))
			continue
		}
		if l.root.tenant != c.l.root.tenant {
			c.warnf("url[%d]: %s is another directory than %s (RD8): name servers with the same data", i, text, c.l.root.server)
		}
		l.close()
	}
}

type checkup struct {
	*reader
	probe sync.Probe
}

func (c *checkup) grant(need string, granted bool, why string) {
	c.probe.Rights = append(c.probe.Rights, sync.Right{Need: need, Granted: granted, Why: strings.TrimSpace(why)})
}

// need is grant for a right on a subtree; where it lacks, the probe says how
// to give it.
func (c *checkup) need(base, need string, granted bool, why string) {
	c.grant(need, granted, why)
	if !granted {
		c.probe.Rights[len(c.probe.Rights)-1].Remedy = c.remedy(base)
	}
}

func (c *checkup) warnf(format string, args ...any) {
	c.probe.Warnings = append(c.probe.Warnings, fmt.Sprintf(format, args...))
}

// refused notes an answer of the server as a lacking right; what is no answer
// ends the check.
func (c *checkup) refused(base, need string, err error) error {
	var incomplete *sync.IncompleteError
	var scope *sync.ScopeError
	switch {
	case errors.As(err, &incomplete):
		c.need(base, need, false, incomplete.Why)
	case errors.As(err, &scope):
		c.need(base, need, false, err.Error())
	default:
		return err
	}
	return nil
}

// doubt makes the last right's remedy depend on a key that may be wrong.
func (c *checkup) doubt(key, base string) {
	if last := &c.probe.Rights[len(c.probe.Rights)-1]; !last.Granted {
		last.Remedy = c.unless(key, base)
	}
}

// people reads everybody's id and a few people whole.
func (c *checkup) people(ctx context.Context) error {
	need := "list people below " + c.cfg.People.Base
	seen, unreadable := idSet{}, 0
	err := c.paged(ctx, search{
		what: "listing people", base: c.cfg.People.Base, filter: c.plan.people, attrs: []string{c.plan.id.attr},
		entry: func(e *goldap.Entry) (bool, error) {
			id, err := c.plan.id.read(e.GetEqualFoldAttributeValues(c.plan.id.attr))
			if err != nil {
				unreadable++
				return true, nil
			}
			return seen.add(id), nil
		},
	})
	if err != nil {
		if err = c.refused(c.cfg.People.Base, need, err); err == nil {
			c.doubt("people.base", c.cfg.People.Base)
		}
		return err
	}
	c.probe.People = len(seen)
	if len(seen)+unreadable == 0 {
		c.need(c.cfg.People.Base, need, false, "nobody is visible: check people.base and people.filter, and that the account may read and search there")
		c.doubt("people", c.cfg.People.Base)
		return nil
	}
	c.need(c.cfg.People.Base, need, true, fmt.Sprintf("%d found", len(seen)+unreadable))
	if unreadable > 0 {
		c.need(c.cfg.People.Base, "read "+c.plan.id.attr, false, fmt.Sprintf("%d people do not show it (LM1)", unreadable))
	} else {
		c.need(c.cfg.People.Base, "read "+c.plan.id.attr, true, "")
	}
	return c.attributes(ctx)
}

// errEnough ends a search that has seen enough.
var errEnough = errors.New("enough")

// attributes looks which attributes are visible on any of a few people.
func (c *checkup) attributes(ctx context.Context) error {
	have, flag, total := map[string]bool{}, 0, 0
	one := c.cfg
	one.PageSize = probeEntries
	r := *c.reader
	r.Source = &Source{cfg: one, opt: c.opt, log: c.log, now: c.now}
	err := r.paged(ctx, search{
		what: "reading people", base: c.cfg.People.Base, filter: c.plan.people, attrs: c.plan.ask,
		entry: func(e *goldap.Entry) (bool, error) {
			total++
			for _, f := range c.plan.fields {
				for _, from := range f.from {
					if raw, ok := values(e, from); ok && len(raw) > 0 {
						have[f.name] = true
					}
				}
			}
			if raw, ok := values(e, c.plan.disabledAttr); ok && len(raw) > 0 {
				flag++
			}
			return true, nil
		},
		page: func() error { return errEnough },
	})
	if err != nil && !errors.Is(err, errEnough) {
		return c.refused(c.cfg.People.Base, "read people's attributes", err)
	}
	for _, f := range c.plan.fields {
		from := strings.Join(f.from, " or ")
		switch {
		case have[f.name]:
			if f.name == "email" || f.name == "userName" {
				c.need(c.cfg.People.Base, "read "+from, true, "")
			}
		case f.name == "email" || f.name == "userName":
			c.need(c.cfg.People.Base, "read "+from, false, fmt.Sprintf("none of the first %d people shows it", total))
		default:
			c.warnf("%s: none of the first %d people shows %s", f.name, total, from)
		}
	}
	switch {
	case c.plan.flavor == AD && c.plan.disabled.Attr == "":
		c.need(c.cfg.People.Base, "read "+c.plan.disabledAttr, flag == total, fmt.Sprintf("%d of the first %d people show it; it says who is disabled", flag, total))
	case flag == 0:
		c.warnf("%s is on none of the first %d people: if nobody there is disabled, well; else the account may not read it, and disabled people look enabled",
			c.plan.disabledAttr, total)
	}
	return nil
}

// groups reads every group's name and whether members show.
func (c *checkup) groups(ctx context.Context) error {
	if c.cfg.Groups.Base == "" {
		c.warnf("groups.base is not set: no group is read")
		return nil
	}
	need := "list groups below " + c.cfg.Groups.Base
	filled := 0
	err := c.paged(ctx, search{
		what: "listing groups", base: c.cfg.Groups.Base, filter: c.plan.groups, attrs: []string{c.plan.id.attr, "member", "uniqueMember"},
		entry: func(e *goldap.Entry) (bool, error) {
			c.probe.Groups++
			if members, ranged, err := splitMembers(e); err == nil && (len(members) > 0 || ranged != "") {
				filled++
			}
			return true, nil
		},
	})
	if err != nil {
		if err = c.refused(c.cfg.Groups.Base, need, err); err == nil {
			c.doubt("groups.base", c.cfg.Groups.Base)
		}
		return err
	}
	if c.probe.Groups == 0 {
		c.need(c.cfg.Groups.Base, need, false, "no group is visible: check groups.base and groups.filter, and the account's rights")
		c.doubt("groups", c.cfg.Groups.Base)
		return nil
	}
	c.need(c.cfg.Groups.Base, need, true, fmt.Sprintf("%d found", c.probe.Groups))
	c.need(c.cfg.Groups.Base, "read member", filled > 0, fmt.Sprintf("%d of %d groups show members", filled, c.probe.Groups))
	return nil
}

// changes tells how changes will be read.
func (c *checkup) changes(ctx context.Context) error {
	need := "read what changed"
	mark, err := c.mark(ctx)
	if err != nil {
		return c.refused("", need, err)
	}
	if mark == "" {
		c.warnf("no tell-tale is visible (contextCSN, highestCommittedUSN or lastusn): every poll reads changes, even when there are none")
	}
	mode, err := c.mode(mark)
	if err != nil {
		c.need("", need, false, err.Error())
		return nil
	}
	at, err := c.watermark(ctx)
	if err != nil {
		return c.refused("", need, err)
	}
	c.need("", need, true, mode)
	if at.Mode == modeTimestamp {
		c.warnf("changes are read by time: deletions show only in the id sweep, every %s", c.cfg.Sweep)
	}
	return nil
}

// tombstones tells whether deletions are visible as such.
func (c *checkup) tombstones(ctx context.Context) error {
	need := "see deleted objects"
	switch c.plan.flavor {
	case AD:
		e, err := c.l.base(ctx, "CN=Deleted Objects,"+c.l.root.suffix, "(objectClass=*)", []string{"1.1"}, goldap.NewControlMicrosoftShowDeleted())
		if _, answered := code(err); err != nil && !answered {
			return err
		}
		if err != nil || e == nil {
			c.need("CN=Deleted Objects,"+c.l.root.suffix, need, false, "deletions will show as absence, after the id sweep and a confirming read (LP10)")
			c.probe.Rights[len(c.probe.Rights)-1].Optional = true
			return nil
		}
		c.need("CN=Deleted Objects,"+c.l.root.suffix, need, true, "")
	case OpenLDAP:
		c.warnf("this server keeps no tombstones: deletions show as absence, which the id sweep and a confirming read prove")
	case DS389:
		c.warnf("389 shows tombstones to its Directory Manager alone: deletions show as absence, which the id sweep and a confirming read prove")
	}
	return nil
}

func (c *checkup) sentinels(ctx context.Context) error {
	if c.cfg.Sentinel == "" {
		c.warnf("no sentinel: set it to an entry that must always be visible, so that a lost right is told from an emptied directory (RD5, AB2)")
		return nil
	}
	seen, err := c.sentinel(ctx, nil, false)
	if err != nil {
		if err = c.refused(c.cfg.Sentinel, "read the sentinel "+c.cfg.Sentinel, err); err == nil {
			c.doubt("sentinel", c.cfg.Sentinel)
		}
		return err
	}
	c.need(c.cfg.Sentinel, "read the sentinel "+c.cfg.Sentinel, seen, "")
	return nil
}

// warn adds what the configuration itself gives away.
func (c *checkup) warn() {
	if c.cfg.AllowPlaintext {
		c.warnf("allow_plaintext: the password travels in the clear (LM11)")
	}
	if !c.l.root.supports(oidPaging) {
		c.warnf("the server does not page: one limit on its side cuts every read")
	}
	if c.l.referrals > 0 {
		c.warnf("%d search references were not followed (LP8): what they point to is not read", c.l.referrals)
	}
	if c.l.root.tenant == "" {
		c.warnf("the id of %s is not readable: this directory cannot be told from another one of that name (RD8)", c.l.root.suffix)
	}
}

// checkDump reads the file and says what it finds.
func (s *Source) checkDump(ctx context.Context) (sync.Probe, error) {
	d, err := s.openDump()
	if err != nil {
		return sync.Probe{}, err
	}
	p := sync.Probe{Server: d.path}
	info, err := d.stat()
	if err != nil {
		return p, err
	}
	d.mark = stamp(info)
	withoutID := 0
	err = d.each(ctx, func(e *goldap.Entry) error {
		person, err := d.isPerson(e)
		if err != nil {
			return err
		}
		switch {
		case person:
			p.People++
			if _, err := d.bare(e); err != nil {
				withoutID++
			}
		case d.isGroup(e):
			p.Groups++
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	p.Rights = []sync.Right{{Need: "read " + d.path, Granted: true}}
	if p.People == 0 {
		p.Rights = append(p.Rights, sync.Right{
			Need: "people below " + s.cfg.People.Base, Why: "the dump has none that match people.filter", Remedy: "check people.base and people.filter, or take the dump anew",
		})
	} else {
		id := sync.Right{Need: d.plan.id.attr + " on every person", Granted: withoutID == 0, Why: fmt.Sprintf("%d of %d people lack it", withoutID, p.People)}
		if !id.Granted {
			id.Remedy = dumpRemedy
		}
		p.Rights = append(p.Rights, id)
	}
	if !d.verified {
		p.Warnings = append(p.Warnings, "no "+d.path+".sha256: absence needs two different dumps in a row")
	}
	return p, nil
}
