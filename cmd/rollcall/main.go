// Command rollcall keeps a team-phone workspace true to the company
// directory. It is one binary: the daemon (serve) and the commands of its
// operators, who work on the same store.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage or a faulty configuration,
// 3 done but something was denied or held.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set when the binary is built (-ldflags "-X main.version=v1.2.3").
var version string

// grammar is the whole command line.
type grammar struct {
	Serve       serveCmd       `cmd:"" help:"Run the daemon: SCIM for identity providers, health and metrics for operators."`
	Demo        demoCmd        `cmd:"" help:"Play a company of about 40 people through a running Rollcall, and print the reports."`
	CheckConfig checkConfigCmd `cmd:"" help:"Judge a configuration: all problems at once, each with its line."`
	Connections connectionsCmd `cmd:"" help:"Connections: their state, and whether a directory can be read."`
	Sync        syncCmd        `cmd:"" help:"Read a directory once, now."`
	Token       tokenCmd       `cmd:"" help:"Bearer tokens of connections."`
	Members     membersCmd     `cmd:"" help:"Members of the workspace."`
	Groups      groupsCmd      `cmd:"" help:"Groups of the workspace."`
	Numbers     numbersCmd     `cmd:"" help:"Phone numbers and who has them."`
	Invitations invitationsCmd `cmd:"" help:"Invitations to the workspace."`
	Domains     domainsCmd     `cmd:"" help:"Claimed mail domains."`
	Runs        runsCmd        `cmd:"" help:"Runs: one per request, poll, edit or approval."`
	Findings    findingsCmd    `cmd:"" help:"What is wrong and needs a person."`
	Requests    requestsCmd    `cmd:"" help:"What an identity provider sent by SCIM, and what became of it."`
	Replay      replayCmd      `cmd:"" help:"What another mapping would make of what a connection has stated; changes nothing."`
	Report      reportCmd      `cmd:"" help:"What a run brought in, changed, refused and held, and what it means."`
	Plan        planCmd        `cmd:"" help:"What is held, and why."`
	Approve     approveCmd     `cmd:"" help:"Apply exactly the held plan that was shown."`
	Reject      rejectCmd      `cmd:"" help:"Refuse a held plan, and remember it."`
	Events      eventsCmd      `cmd:"" help:"Events for receivers: what waits, dead letters, retry."`
	Rekey       rekeyCmd       `cmd:"" help:"Encrypt the store's secrets anew with the first key of key_ring."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database to this binary's schema."`
	Health      healthCmd      `cmd:"" help:"Ask the running daemon whether it is ready."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// environment is what a command works with instead of globals.
type environment struct {
	out, err io.Writer
}

// The exit codes of the contract.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitHeld   = 3
)

// exitError ends the program with a code of its own. A nil err says nothing
// more on stderr: the command has said it all.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], &environment{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// helped unwinds the parser after it has printed help.
type helped int

// run parses the command line, runs the command and returns the exit code.
func run(ctx context.Context, args []string, env *environment) (code int) {
	defer func() {
		if h, ok := recover().(helped); ok {
			code = int(h)
		}
	}()
	parser, err := kong.New(&grammar{}, kong.Name("rollcall"),
		kong.Description("Rollcall keeps a team-phone workspace true to the company directory."),
		kong.Writers(env.out, env.err), kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(code int) { panic(helped(code)) }))
	if err != nil {
		return complain(env, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		return complain(env, &exitError{code: exitUsage, err: usage(err)})
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return complain(env, command.Run(env))
}

// usage adds where to look to an error of the command line.
func usage(err error) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return err
	}
	path := "rollcall"
	if selected := parse.Context.Selected(); selected != nil {
		path = selected.FullPath()
	}
	return fmt.Errorf("%w\nsee: %s --help", err, path)
}

// complain prints an error for a person and gives the exit code.
func complain(env *environment, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var ends *exitError
	if errors.As(err, &ends) {
		code = ends.code
		if ends.err == nil {
			return code
		}
	}
	if _, err := fmt.Fprintf(env.err, "rollcall: %s\n", explain(err)); err != nil {
		return exitFailed
	}
	return code
}
