package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// explain writes an error with the step that helps. Errors of the command
// line, the configuration and the schema carry theirs already.
func explain(err error) string {
	var (
		refused  *sync.ApprovalError
		stale    *sync.StaleError
		conflict *store.ConflictError
		edit     *sync.EditError
	)
	switch {
	case errors.As(err, &edit):
		return explainEdit(edit)
	case errors.As(err, &refused):
		return fmt.Sprintf("%s (rule %s)\ndo: %s", refused.Reason, refused.Rule, refused.Remedy)
	case errors.As(err, &stale) && stale.Now != "":
		return fmt.Sprintf("%s\ndo: look at it with `rollcall plan %s`, then approve that", stale, shortHash(stale.Now))
	case errors.As(err, &stale):
		return fmt.Sprintf("%s\ndo: nothing is left to decide; see `rollcall plan`", stale)
	case errors.Is(err, sync.ErrExpired):
		return err.Error() + "\ndo: wait for the next request or poll, which asks again, and see `rollcall plan`"
	case errors.As(err, &conflict), errors.Is(err, workspace.ErrConflict), errors.Is(err, workspace.ErrStale):
		return err.Error() + "\ndo: somebody else changed the same thing just now; look again and repeat"
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrBusy):
		return err.Error() + "\ndo: see whether the database runs, has space and may be written, and repeat; nothing was changed"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}

// listings are where a command line finds what an edit names, by field.
var listings = map[string]string{
	"as": "members list --role owner", "member": "members list", "handover": "members list", "successors": "members list", "group": "groups list",
	"number": "numbers list", "numbers": "numbers list", "host": "connections list",
}

// explainEdit writes a wish that cannot be planned, with the listing to look
// at: the engine's own words are for readers without a shell too.
func explainEdit(e *sync.EditError) string {
	text := fmt.Sprintf("%s: %s\ndo: %s", e.Field, e.Reason, e.Remedy)
	if listing := listings[e.Field]; listing != "" && !e.Settled {
		text += "; see `rollcall " + listing + "`"
	}
	return text
}
