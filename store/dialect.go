package store

import "strings"

// dialect holds the few words in which the engines differ. SQL texts write
// them as tokens: {lock} and {share} end a SELECT that locks its rows when it
// runs inside a unit, {skip} locks those that nobody else has locked, {now} is
// the database's own clock in microseconds.
type dialect struct {
	lock, share, skip, now string
	// column is what follows TEXT in the migrations. PostgreSQL's databases
	// sort by some locale; rows are ordered and compared bytewise on both.
	column string
	// own starts the lines of the migrations that are this engine's only.
	own string
	// rebind turns ? into the engine's placeholders.
	rebind func(string) string
}

var (
	liteDialect = dialect{
		now:    "CAST(unixepoch('subsec') * 1000000 AS BIGINT)",
		own:    "--sqlite: ",
		rebind: func(q string) string { return q },
	}
	postgresDialect = dialect{
		lock:   " FOR UPDATE",
		share:  " FOR SHARE",
		skip:   " FOR UPDATE SKIP LOCKED",
		now:    "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
		column: ` COLLATE "C"`,
		own:    "--postgres: ",
		rebind: dollars,
	}
)

// expand gives the text as the engine wants it; locking is true in a unit.
func (d *dialect) expand(text string, locking bool) string {
	if strings.Contains(text, "{") {
		lock, share, skip := d.lock, d.share, d.skip
		if !locking {
			lock, share, skip = "", "", ""
		}
		text = strings.NewReplacer("{lock}", lock, "{share}", share, "{skip}", skip, "{now}", d.now).Replace(text)
	}
	return d.rebind(text)
}

// migration gives a migration's text with the engine's collation and its own
// lines; the other engine's stay comments.
func (d *dialect) migration(text string) string {
	return strings.NewReplacer(" TEXT", " TEXT"+d.column, d.own, "").Replace(text)
}
