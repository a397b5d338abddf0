package api

import (
	"encoding/json"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

func viewRun(row *store.RunRow) (sync.SyncRun, error) {
	var run sync.SyncRun
	return run, json.Unmarshal(row.Body, &run)
}

func listRuns(x *exchange) (*reply, error) {
	return listed(x, func(r *store.Reader, after store.Place, limit int) ([]store.RunRow, error) {
		return r.RunsPage(after, limit)
	},
		func(row store.RunRow) store.Place { return store.Place{At: row.StartedAt, ID: row.ID} },
		func(_ *store.Reader, row store.RunRow) (sync.SyncRun, error) { return viewRun(&row) })
}

// getRun gives one run's report, whole.
func getRun(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (sync.SyncRun, error) {
		row, err := r.Run(x.path["id"])
		if err != nil {
			return sync.SyncRun{}, err
		}
		run, err := viewRun(&row)
		if err != nil {
			return run, err
		}
		changes, err := r.ChangesOfRun(row.ID)
		if err != nil {
			return run, err
		}
		for i := range changes {
			c, err := sync.ReadChange(&changes[i])
			if err != nil {
				return run, err
			}
			run.Changes = append(run.Changes, c)
		}
		return run, sync.FillLeavers(r, &run)
	})
}
