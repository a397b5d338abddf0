package sync

import (
	"context"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Replayed is what another mapping would make of what a connection has stated.
type Replayed struct {
	People int // whom the connection states
	// Added are the changes that only the other mapping would bring about now,
	// Missing those that only the present one would: none, if everything stated
	// has taken effect. Both are in the order in which they would come.
	Added, Missing []ChangeReport
	// Counts are the outcomes under the other mapping.
	Counts Counts
}

// replayPage is how many people are planned in one transaction, which is
// rolled back. Numbers that a page would take from a pool are free again for
// the next one.
const replayPage = 500

// Replay plans everybody whom a connection has stated under another mapping,
// and under the present one, and gives the difference. It changes nothing.
func (e *Engine) Replay(ctx context.Context, id, connection string, rules *mapping.Rules) (Replayed, error) {
	s, _, err := e.space(id, connection)
	if err != nil {
		return Replayed{}, err
	}
	present, people, err := e.under(s, connection, s.rules).planAll(ctx, id, connection)
	if err != nil {
		return Replayed{}, err
	}
	other, _, err := e.under(s, connection, rules).planAll(ctx, id, connection)
	if err != nil {
		return Replayed{}, err
	}
	out := Replayed{People: people, Counts: other.Counts}
	out.Added, out.Missing = without(other.Changes, present.Changes), without(present.Changes, other.Changes)
	return out, nil
}

// under is the engine with another mapping for one workspace, and with one
// connection live: its effects are planned as they would be then. It serves
// for dry runs alone.
func (e *Engine) under(s *space, connection string, rules *mapping.Rules) *Engine {
	cfg := s.cfg
	cfg.Rules = rules
	other := &space{
		cfg: cfg, h: s.h, conns: map[string]Connection{}, policy: s.policy, rules: rules, location: s.location,
		mappingHash: rules.Hash(), policyHash: s.policyHash, matrixHash: s.matrixHash, tombstoneKey: s.tombstoneKey,
	}
	for name, c := range s.conns {
		if name == connection {
			c.Mode = ModeLive
		}
		other.conns[name] = c
	}
	return &Engine{store: e.store, log: e.log, now: e.now, build: e.build, spaces: map[string]*space{s.cfg.ID: other}}
}

// planAll plans everybody of a connection, page by page, and rolls each back.
func (e *Engine) planAll(ctx context.Context, id, connection string) (sum SyncRun, people int, err error) {
	s, _, err := e.space(id, connection)
	if err != nil {
		return SyncRun{}, 0, err
	}
	run, after := newID(), ""
	for {
		page, err := knownPage(ctx, s, connection, after, replayPage)
		if err != nil || len(page) == 0 {
			return sum, people, err
		}
		after = page[len(page)-1]
		people += len(page)
		_, err = e.Apply(ctx, Batch{
			Workspace: id, Connection: connection, Kind: RunConfig, Trigger: "operator", Channel: workspace.ChannelSync, SeenAt: e.now(),
			People: page, DryRun: true, Run: run, sum: &sum,
		})
		if err != nil {
			return sum, people, err
		}
	}
}

// without gives the changes of a that b has not.
func without(a, b []ChangeReport) []ChangeReport {
	// Ids of members that are not there yet differ from plan to plan.
	key := func(c *ChangeReport) string {
		who := ""
		if c.Member != nil {
			who = c.Member.Label
		}
		return strings.Join([]string{c.Kind, c.Target.Type, c.Target.Label, who, c.Summary, c.Outcome}, "\x00")
	}
	have := map[string]int{}
	for i := range b {
		have[key(&b[i])]++
	}
	out := []ChangeReport{}
	for i := range a {
		if k := key(&a[i]); have[k] > 0 {
			have[k]--
			continue
		}
		out = append(out, a[i])
	}
	return out
}
