package sync

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// NoteOtherClient is the rule of the note under which requests are counted that
// look like another client's than the connection's profile is for.
const NoteOtherClient = "CLIENT"

// codeOtherClient is the finding about such traffic: never a switch, a person
// decides (scim section 9).
const codeOtherClient = "F20"

// The terms of F20: a single request may be somebody's trial, and what has
// stopped for a day is over.
const (
	otherClientLeast = 5
	otherClientRests = 24 * time.Hour
)

// OtherClient is what a request looked like. Its text is the attribute of the
// note that counts it: a change of the profile begins a new count.
type OtherClient struct {
	Like    string // the profile that is for such a client
	Shape   string // what told: User-Agent, or a schema that only it names
	Profile string // the connection's profile at the time
}

// String writes the note's attribute.
func (c OtherClient) String() string { return c.Like + " by " + c.Shape + " under " + c.Profile }

// ParseOtherClient reads what String has written; other texts are false.
func ParseOtherClient(text string) (c OtherClient, ok bool) {
	text, c.Profile, ok = strings.Cut(text, " under ")
	if !ok {
		return c, false
	}
	c.Like, c.Shape, ok = strings.Cut(text, " by ")
	return c, ok
}

// otherClientNews is what F20 of one connection has to become.
type otherClientNews struct {
	connection string

	open   *store.FindingRow // to be opened, but for its ids and times
	over   []store.FindingRow
	forget []store.ToleranceUse // counts that hold no longer
}

// otherClients compares the counts of the connections with the findings that
// are open. Connections with nothing to do are left out.
func otherClients(r *store.Reader, s *space, now workspace.Micros) (news []otherClientNews, err error) {
	open, err := r.OpenFindings(1000)
	if err != nil {
		return nil, err
	}
	for _, id := range sortedKeys(s.conns) {
		c := s.conns[id]
		if c.Kind != "scim" {
			continue
		}
		used, err := r.Tolerances(id)
		if err != nil {
			return nil, err
		}
		n := otherClientNews{connection: id}
		n.open, n.forget = otherClientOf(&c, used, now)
		for i := range open {
			f := &open[i]
			if f.Code != codeOtherClient || f.Subject != id {
				continue
			}
			if n.open != nil && n.open.Remedy == f.Remedy {
				n.open = nil // It stands already.
			} else {
				n.over = append(n.over, *f)
			}
		}
		if n.open != nil || len(n.over)+len(n.forget) > 0 {
			news = append(news, n)
		}
	}
	return news, nil
}

// otherClientOf is the finding that the counts of a connection give, nil for
// none, and the counts that hold no longer: those of an earlier profile, and
// those that have not moved for a day.
func otherClientOf(c *Connection, used []store.Tolerated, now workspace.Micros) (f *store.FindingRow, forget []store.ToleranceUse) {
	var shapes, likes []string
	requests, since := 0, now
	for i := range used {
		u := &used[i]
		if u.Rule != NoteOtherClient {
			continue
		}
		seen, ok := ParseOtherClient(u.Attribute)
		if !ok || seen.Profile != c.Profile || now-u.LastAt >= workspace.Micros(otherClientRests.Microseconds()) {
			forget = append(forget, u.ToleranceUse)
			continue
		}
		if u.Count < otherClientLeast {
			continue
		}
		requests, since = requests+u.Count, min(since, u.FirstAt)
		shapes = append(shapes, fmt.Sprintf("%s by %s (%d)", seen.Like, seen.Shape, u.Count))
		if !slices.Contains(likes, seen.Like) {
			likes = append(likes, seen.Like)
		}
	}
	if requests == 0 {
		return nil, forget
	}
	slices.Sort(likes)
	return &store.FindingRow{
		Code: codeOtherClient, Severity: "warning", SubjectType: "connection", Subject: c.ID,
		Text: fmt.Sprintf("%d requests over connection %s, whose profile is %s, look like another client's since %s: %s.", requests, c.ID, c.Profile,
			since.Time().UTC().Format(time.RFC3339), strings.Join(shapes, ", ")),
		Remedy: fmt.Sprintf("if that client is the right one, write profile: %s at connection %s; if it is not, somebody else holds the token: "+
			"an administrator runs rollcall token create --connection %s, then revokes the old one", strings.Join(likes, " or profile: "), c.ID, c.ID),
	}, forget
}

// planOtherClients opens and closes F20 and forgets counts that are over.
func (u *unit) planOtherClients() error {
	news, err := otherClients(&u.tx.Reader, u.s, u.now)
	if err != nil {
		return err
	}
	for i := range news {
		n := &news[i]
		for _, f := range n.over {
			if err := u.closeFinding(f); err != nil {
				return err
			}
		}
		if err := u.tx.ForgetTolerances(n.connection, n.forget); err != nil {
			return err
		}
		if n.open == nil {
			continue
		}
		f := *n.open
		f.ID, f.OpenedAt, f.OpenedRun = newID(), u.now, u.run
		if err := u.tx.OpenFinding(f); err != nil {
			return err
		}
		u.findings = append(u.findings, f)
		u.tx.AfterCommit(func() {
			u.e.log.Warn("traffic looks like another client's (F20)", "workspace", u.s.cfg.ID, "connection", f.Subject, "text", f.Text, "remedy", f.Remedy)
		})
	}
	return nil
}
