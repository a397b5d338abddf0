// Command bench measures what the project promises about speed and memory: a
// real daemon, real HTTP over loopback, a real file. Each figure is printed
// beside what it is judged against, measured in the same run on the same
// machine, so that the verdict travels better than the figure. `make bench`
// runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// settings are how much is measured.
type settings struct {
	binary string
	dir    string
	small  int           // people at the first measurement of the mix
	large  int           // people at the second, and for the rest
	group  int           // members of the large group
	rate   time.Duration // how long each rate is measured
	rounds int           // of the mix, after rounds that warm up
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == echoCommand {
		exit(serveEcho(os.Stdin, os.Stdout))
	}
	var s settings
	flag.StringVar(&s.binary, "binary", "bin/rollcall", "the daemon's binary")
	flag.StringVar(&s.dir, "dir", "", "folder for the database, on the disk to be measured; a fresh temporary one if empty")
	flag.IntVar(&s.small, "small", 1000, "people at the first measurement of the mix")
	flag.IntVar(&s.large, "large", 100_000, "people at the second, and for everything else")
	flag.IntVar(&s.group, "group", 20_000, "members of the large group")
	flag.DurationVar(&s.rate, "rate", 10*time.Second, "how long each rate is measured, in five turns")
	flag.IntVar(&s.rounds, "rounds", 400, "rounds of the mix, five requests each")
	leavers := flag.Bool("leavers", false, "measure how fast access ends under load instead, for as long as -rate")
	fromSCIM := flag.Bool("scim", false, "make the table of bench-scim from what its benchmarks print on stdin instead")
	flag.Parse()
	if *fromSCIM {
		exit(runSCIM(os.Stdin, os.Stdout))
	}
	if *leavers {
		exit(runLeavers(s, os.Stdout))
	}
	exit(run(s, os.Stdout))
}

// exit ends the program.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures everything and prints the table at the end; what is under way
// goes to stderr.
func run(s settings, out io.Writer) (err error) {
	if s.large < s.group || s.group < 10 || s.small < 10 {
		return errors.New("-large must be at least -group, and -group and -small at least 10")
	}
	dir, err := os.MkdirTemp(s.dir, "rollcall-bench-")
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	var running []*child
	stop := func() error {
		var errs []error
		for _, c := range running {
			errs = append(errs, c.stop())
		}
		return errors.Join(append(errs, os.RemoveAll(dir))...)
	}
	go func() {
		<-interrupted
		exit(errors.Join(errors.New("interrupted"), stop()))
	}()
	defer func() { err = errors.Join(err, stop()) }()

	t := &table{start: time.Now()}
	raw, err := rawCommits(filepath.Join(dir, "raw.db"), s.rate/2)
	if err != nil {
		return err
	}
	token, err := configure(s.binary, dir)
	if err != nil {
		return err
	}
	daemon, url, err := startDaemon(s.binary, dir)
	if err != nil {
		return err
	}
	running = append(running, daemon)
	echo, echoURL, err := startEcho()
	if err != nil {
		return err
	}
	running = append(running, echo)
	b := &bench{settings: s, daemon: daemon, echo: echo, url: url, echoURL: echoURL, token: token, table: t}
	if err := b.all(raw); err != nil {
		return err
	}
	t.print(out)
	return nil
}

// configure writes the daemon's configuration and gives a token.
func configure(binary, dir string) (token string, err error) {
	config := filepath.Join(dir, configName)
	text := fmt.Sprintf(`listen: 127.0.0.1:0
database: sqlite:%s
workspaces:
  - id: acme
    name: Acme Inc
    plan: business
    owners: [ann@acme.com]
    connections:
      - {id: entra, kind: scim, profile: entra, acts_as: admin, rate: 100000}
`, filepath.Join(dir, "rollcall.db"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command(binary, "token", "create", "--connection", "entra", "--config", config).Output()
	if err != nil {
		return "", fmt.Errorf("rollcall token create: %w", err)
	}
	return string(out), nil
}
