package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// progressView shows how far a run is: one line that is written over on a
// terminal, a line now and then elsewhere. It is used by one goroutine at a
// time.
type progressView struct {
	out      io.Writer
	now      func() time.Time
	terminal bool
	shown    time.Time
	width    int // of the line on the terminal
	err      error
}

// How often the progress is shown. Runs shorter than that show none.
const (
	progressOnTerminal = 200 * time.Millisecond
	progressInLog      = 5 * time.Second
)

func newProgressView(out io.Writer, now func() time.Time) *progressView {
	return &progressView{out: out, now: now, terminal: isTerminal(out), shown: now()}
}

// isTerminal reports whether a person looks at the output as it is written.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// show shows one state, unless the last one was shown a moment ago.
func (v *progressView) show(p sync.Progress) {
	every := progressInLog
	if v.terminal {
		every = progressOnTerminal
	}
	now := v.now()
	if v.err != nil || now.Sub(v.shown) < every {
		return
	}
	v.shown = now
	line := progressLine(p)
	if !v.terminal {
		_, v.err = fmt.Fprintln(v.out, line)
		return
	}
	_, v.err = fmt.Fprintf(v.out, "\r%-*s", v.width, line)
	v.width = len(line)
}

// end clears the terminal's line.
func (v *progressView) end() error {
	if v.terminal && v.width > 0 && v.err == nil {
		_, v.err = fmt.Fprintf(v.out, "\r%*s\r", v.width, "")
	}
	return v.err
}

// progressLine is one state in words: reading 12,345 (3,210 a second).
func progressLine(p sync.Progress) string {
	line := p.Phase + " " + thousands(p.Done)
	if p.Total > 0 {
		line += " of " + thousands(p.Total)
	}
	if p.Rate >= 1 {
		line += " (" + thousands(int(p.Rate)) + " a second)"
	}
	return line
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
