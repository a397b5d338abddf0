package main

import (
	"database/sql"
	"errors"
	"time"

	_ "modernc.org/sqlite" // the driver of the store
)

// rawCommits is the bar for durable writes: commits a second of one changed
// row each, with the store's driver and its settings of durability.
func rawCommits(file string, lasting time.Duration) (rate float64, err error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE x (id TEXT PRIMARY KEY, n BIGINT); INSERT INTO x VALUES ('a', 0)`); err != nil {
		return 0, err
	}
	change, err := db.Prepare(`UPDATE x SET n = n + 1 WHERE id = ?`)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, change.Close()) }()
	n, start := 0, time.Now()
	for time.Since(start) < lasting {
		if _, err := change.Exec("a"); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
