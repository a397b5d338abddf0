package sync

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// guardGroups keeps groups as they are when most of them are emptied at once,
// or a large one falls to none (RD4): a lost right on their members looks
// like that, a reorganisation hardly ever.
func (p *poll) guardGroups(ctx context.Context) error {
	filled, emptied, large := 0, 0, ""
	for _, id := range p.stage.gorder {
		var g stagedGroup
		if err := p.stage.get(p.stage.groups[id], &g); err != nil {
			return err
		}
		if !g.Complete {
			continue
		}
		var old workspace.DirectoryGroup
		err := p.view(ctx, func(r *store.Reader) (err error) {
			old, err = r.DirectoryGroupByExternal(p.pl.Connection, id)
			return err
		})
		if errors.Is(err, workspace.ErrNotFound) || err == nil && old.MemberCount == 0 {
			continue
		}
		if err != nil {
			return err
		}
		filled++
		if len(g.Add) == 0 {
			emptied++
			if old.MemberCount >= smallGroup {
				large = old.Name
			}
		}
	}
	switch {
	case emptied >= 2 && emptied*2 > filled:
		p.notWhole(fmt.Sprintf("%d of %d groups have no members any more: groups stay as they are (RD4)", emptied, filled))
	case large != "":
		p.notWhole(fmt.Sprintf("group %s of %d or more has no members any more: groups stay as they are (RD4)", large, smallGroup))
	default:
		return nil
	}
	p.stage.gorder = nil
	return nil
}
