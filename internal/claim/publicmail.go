package claim

import (
	_ "embed"
	"strings"
)

// The lists are text files: one name a line, comments after #. Their first
// line is the day on which somebody last looked through them.
var (
	//go:embed publicmail.txt
	publicMailText string
	//go:embed disposable.txt
	disposableText string

	publicMail = names(publicMailText)
	disposable = names(disposableText)
)

func names(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "#")
		for _, n := range strings.Fields(name) {
			set[n] = true
		}
	}
	return set
}
