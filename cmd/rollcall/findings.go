package main

import (
	"context"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

type findingsCmd struct {
	List findingListCmd `cmd:"" default:"withargs" help:"List what is open, the oldest first (the default)."`
}

type findingListCmd struct {
	workspaceFlag
	formatFlag
	Limit int `help:"How many at most." default:"200"`
}

// Help is shown by --help.
func (findingListCmd) Help() string { return "Example:\n  rollcall findings list --format json" }

// findingJSON is one open finding.
type findingJSON struct {
	ID          string           `json:"id"`
	Code        string           `json:"code"`
	Severity    string           `json:"severity"`
	SubjectType string           `json:"subject_type"`
	Subject     string           `json:"subject_id"`
	Text        string           `json:"text"`
	Remedy      string           `json:"remedy"`
	OpenedAt    workspace.Micros `json:"opened_at"`
	Run         string           `json:"run_id"`
}

// Run lists open findings. They are no fault of the command: it ends with 0.
func (c *findingListCmd) Run(ctx context.Context, env *environment) (err error) {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	var rows []store.FindingRow
	err = s.view(ctx, func(r *store.Reader) (err error) {
		rows, err = r.OpenFindings(c.Limit)
		return err
	})
	if err != nil {
		return err
	}
	items := make([]findingJSON, len(rows))
	l := listing{header: []string{"code", "severity", "since", "what", "remedy"}, none: "nothing is open"}
	for i := range rows {
		f := &rows[i]
		items[i] = findingJSON{f.ID, f.Code, f.Severity, f.SubjectType, f.Subject, f.Text, f.Remedy, f.OpenedAt, f.OpenedRun}
		l.rows = append(l.rows, []string{f.Code, f.Severity, stamp(f.OpenedAt), f.Text, f.Remedy})
	}
	l.items = items
	return l.write(env.out, c.Format)
}
