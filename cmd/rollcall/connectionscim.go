package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/scim"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// scimView is what a connection of kind scim has beside the rest: what its
// profile tolerates, and what its client has needed so far.
type scimView struct {
	Profile   string          `json:"profile"`
	QuietS    int             `json:"quiet_s"`
	Tolerates []toleranceView `json:"tolerates"`
	Tolerated []toleratedView `json:"tolerated"`
	// Findings are lines for a person: traffic that looks like another client.
	Findings []string `json:"findings"`
}

type toleranceView struct {
	Rule string `json:"rule"`
	Text string `json:"text"`
}

type toleratedView struct {
	Rule      string           `json:"rule"`
	Attribute string           `json:"attribute"`
	Count     int              `json:"count"`
	FirstAt   workspace.Micros `json:"first_at"`
	LastAt    workspace.Micros `json:"last_at"`
}

// quietOf is how long nobody is told of what a connection of kind scim does.
func quietOf(c *configs.Connection) time.Duration {
	if c.Overrides.Quiet.Set {
		return c.Overrides.Quiet.For
	}
	profile, _ := scim.LookupProfile(c.Profile) // the configuration has judged the name
	return profile.Quiet
}

// describeSCIM adds what only connections of kind scim have.
func (s *session) describeSCIM(ctx context.Context, v *connectionView) error {
	var c *configs.Connection
	for i := range s.workspace.Connections {
		if s.workspace.Connections[i].ID == v.ID {
			c = &s.workspace.Connections[i]
		}
	}
	if c == nil || c.Kind != "scim" {
		return nil
	}
	profile, _ := scim.LookupProfile(c.Profile) // the configuration has judged the name
	out := &scimView{Profile: c.Profile, QuietS: int(quietOf(c).Seconds()), Tolerates: []toleranceView{}, Tolerated: []toleratedView{}, Findings: []string{}}
	for _, t := range profile.Tolerate.List() {
		out.Tolerates = append(out.Tolerates, toleranceView{t.String(), t.Text()})
	}
	var used []store.Tolerated
	err := s.view(ctx, func(r *store.Reader) (err error) {
		used, err = r.Tolerances(c.ID)
		return err
	})
	for i := range used {
		u := &used[i]
		if u.Rule == sync.NoteOtherClient {
			if seen, ok := sync.ParseOtherClient(u.Attribute); ok && seen.Profile == c.Profile {
				out.Findings = append(out.Findings, fmt.Sprintf("%d requests looked like %s by %s, the last at %s: is profile %s right, or does another client hold the token?",
					u.Count, seen.Like, seen.Shape, stamp(u.LastAt), c.Profile))
			}
			continue
		}
		out.Tolerated = append(out.Tolerated, toleratedView{u.Rule, u.Attribute, u.Count, u.FirstAt, u.LastAt})
	}
	v.SCIM = out
	return err
}

// fields are the view's lines of text; none for other kinds.
func (v *scimView) fields() [][2]string {
	if v == nil {
		return nil
	}
	lines := [][2]string{{"profile", v.Profile}, {"quiet", (time.Duration(v.QuietS) * time.Second).String()}}
	for _, t := range v.Tolerates {
		lines = append(lines, [2]string{"tolerates", t.Rule + "  " + t.Text})
	}
	for _, t := range v.Tolerated {
		lines = append(lines, [2]string{"tolerated", fmt.Sprintf("%s  %s  %d times, last %s", t.Rule, t.Attribute, t.Count, stamp(t.LastAt))})
	}
	for _, f := range v.Findings {
		lines = append(lines, [2]string{"finding", f})
	}
	return lines
}
