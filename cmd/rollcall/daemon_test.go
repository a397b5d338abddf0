package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	stdsync "sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// runningDaemon is the daemon of one script.
type runningDaemon struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer // whole once done is closed
	done chan struct{}
	err  error
}

// daemons are the running ones by the script's work folder.
var daemons stdsync.Map

// serveCommand starts `rollcall serve` with the script's arguments, waits for
// its ready line and sets SCIM and ADMIN to its addresses. With ! it wants the
// daemon to refuse to start, its log becomes stderr.
func serveCommand(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("rollcall", append([]string{"serve"}, args...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	pipe, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	d := &runningDaemon{cmd: cmd, log: &bytes.Buffer{}, done: make(chan struct{})}
	ready := make(chan map[string]any, 1)
	go func() {
		defer close(d.done)
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			fmt.Fprintln(d.log, lines.Text())
			var line map[string]any
			if json.Unmarshal(lines.Bytes(), &line) == nil && line["msg"] == "ready" {
				ready <- line
			}
		}
		d.err = cmd.Wait()
	}()
	ts.Defer(func() {
		// A script that failed in the middle leaves its daemon behind.
		select {
		case <-d.done:
		default:
			_ = cmd.Process.Kill()
			<-d.done
		}
	})
	select {
	case line := <-ready:
		if neg {
			ts.Fatalf("it serves")
		}
		ts.Setenv("SCIM", fmt.Sprint(line["scim"]))
		ts.Setenv("ADMIN", fmt.Sprint(line["admin"]))
		daemons.Store(ts.MkAbs("."), d)
	case <-d.done:
		show(ts, ts.Stderr(), d.log.String())
		if !neg {
			ts.Fatalf("no daemon: %v\n%s", d.err, d.log)
		}
	case <-time.After(30 * time.Second):
		ts.Fatalf("not ready in 30 s")
	}
}

// scriptEnv is the script's environment as exec wants it.
func scriptEnv(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"HOME", "TMPDIR", "PATH", "TZ"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// haltCommand ends the daemon with SIGTERM, or `halt KILL` with SIGKILL, and
// makes its log stderr. SIGTERM must give exit 0.
func haltCommand(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := daemons.LoadAndDelete(ts.MkAbs("."))
	if neg || !ok {
		ts.Fatalf("no daemon runs")
	}
	d := v.(*runningDaemon)
	kill := len(args) == 1 && args[0] == "KILL"
	if kill {
		ts.Check(d.cmd.Process.Kill())
	} else {
		ts.Check(d.cmd.Process.Signal(syscall.SIGTERM))
	}
	<-d.done
	show(ts, ts.Stderr(), d.log.String())
	if d.err != nil && !kill {
		ts.Fatalf("the daemon ended with %v", d.err)
	}
}

// apiCommand is scimCommand for the JSON API: its paths are those below /v1.
func apiCommand(ts *testscript.TestScript, neg bool, args []string) {
	sendRequest(ts, neg, strings.TrimSuffix(ts.Getenv("SCIM"), "/scim/v2")+"/v1", "application/json", args)
}

// scimCommand sends one SCIM request and prints status and body:
//
//	scim METHOD PATH [BODYFILE] [HEADER:VALUE...]
//
// The token is $TOKEN, the daemon $SCIM. In path and body, {{NAME}} is the
// variable NAME. JSON answers are indented. With ! a 2xx fails, without it
// anything else does.
func scimCommand(ts *testscript.TestScript, neg bool, args []string) {
	sendRequest(ts, neg, ts.Getenv("SCIM"), "application/scim+json", args)
}

// sendRequest sends one request below a base.
func sendRequest(ts *testscript.TestScript, neg bool, base, kind string, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: scim|api METHOD PATH [BODYFILE] [HEADER:VALUE...]")
	}
	var body io.Reader
	headers := map[string]string{"Authorization": "Bearer " + strings.TrimSpace(ts.Getenv("TOKEN")), "Content-Type": kind}
	for _, arg := range args[2:] {
		if name, value, ok := strings.Cut(arg, ":"); ok {
			headers[name] = value
		} else {
			body = strings.NewReader(fillIn(ts, ts.ReadFile(arg)))
		}
	}
	// A blank in a path is written as it reads; a URL has %20.
	url := base + strings.ReplaceAll(strings.ReplaceAll(fillIn(ts, args[1]), " ", "%20"), `"`, "%22")
	request, err := http.NewRequest(args[0], url, body)
	ts.Check(err)
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	ts.Check(err)
	defer func() { ts.Check(answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	var pretty bytes.Buffer
	if json.Indent(&pretty, text, "", "  ") != nil {
		pretty.Reset()
		pretty.Write(text)
	}
	show(ts, ts.Stdout(), fmt.Sprintf("%d\n%s\n", answer.StatusCode, pretty.String()))
	if etag := answer.Header.Get("ETag"); etag != "" {
		ts.Setenv("ETAG", etag)
	}
	if good := answer.StatusCode < 300; good == neg {
		ts.Fatalf("%s %s answers %d\n%s", args[0], url, answer.StatusCode, pretty.String())
	}
}

// fillIn replaces {{NAME}} by the script's variable.
func fillIn(ts *testscript.TestScript, text string) string {
	for {
		before, rest, found := strings.Cut(text, "{{")
		name, after, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			return text
		}
		text = before + ts.Getenv(name) + after
	}
}

// show writes what a command prints.
func show(ts *testscript.TestScript, to io.Writer, text string) {
	_, err := io.WriteString(to, text)
	ts.Check(err)
}
