package pull

// LimitPages bounds the pages of a run, so that a test need not read as many
// as a run may.
func LimitPages(d Directory, n int) {
	if s, ok := d.(*Source); ok {
		s.maxPages = n
	}
}
