package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// configName is the daemon's configuration in the working folder.
const configName = "rollcall.yaml"

// tick is the unit of times in /proc: 100 a second on every Linux that Go
// runs on (proc(5), USER_HZ).
const tick = 10 * time.Millisecond

// child is a server in a process of its own, so that its CPU time and its
// memory are its own.
type child struct {
	cmd    *exec.Cmd
	drain  chan struct{} // closed at the end of its output
	closer io.Closer     // its stdin, if it ends by that
}

// startDaemon starts `rollcall serve` and gives the URL of its SCIM endpoint.
func startDaemon(binary, dir string) (*child, string, error) {
	cmd := exec.Command(binary, "serve", "--config", filepath.Join(dir, configName))
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, "", err
	}
	c, lines, err := start(cmd, pipe)
	if err != nil {
		return nil, "", err
	}
	var log bytes.Buffer
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		var line struct{ Msg, SCIM string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			c.rest(lines)
			return c, line.SCIM, nil
		}
	}
	return nil, "", errors.Join(fmt.Errorf("the daemon does not start:\n%s", &log), cmd.Wait())
}

// startEcho starts this program as the echo server.
func startEcho() (*child, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.Command(self, echoCommand)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	c, lines, err := start(cmd, pipe)
	if err != nil {
		return nil, "", err
	}
	c.closer = in
	if !lines.Scan() {
		return nil, "", errors.Join(errors.New("the echo server does not start"), cmd.Wait())
	}
	url := lines.Text()
	c.rest(lines)
	return c, url, nil
}

// start starts a command whose output says where it listens.
func start(cmd *exec.Cmd, output io.Reader) (*child, *bufio.Scanner, error) {
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return &child{cmd: cmd, drain: make(chan struct{})}, bufio.NewScanner(output), nil
}

// rest reads the output to its end: a full pipe would stop the child.
func (c *child) rest(lines *bufio.Scanner) {
	go func() {
		defer close(c.drain)
		for lines.Scan() {
			if c.closer == nil && !bytes.Contains(lines.Bytes(), []byte(`"level":"INFO"`)) {
				fmt.Fprintln(os.Stderr, "daemon:", lines.Text())
			}
		}
	}()
}

// stop ends the child and waits for it.
func (c *child) stop() error {
	if c.closer != nil {
		err := c.closer.Close()
		<-c.drain
		return errors.Join(err, c.cmd.Wait())
	}
	err := c.cmd.Process.Signal(syscall.SIGTERM)
	<-c.drain
	return errors.Join(err, c.cmd.Wait())
}

// cpu is the CPU time of the child so far, user and system (proc(5)).
func (c *child) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold blanks: fields count behind it.
	_, rest, _ := bytes.Cut(text, []byte(") "))
	fields := strings.Fields(string(rest))
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields behind the name", len(fields))
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	if err != nil {
		return 0, err
	}
	s, err := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+s) * tick, err
}

// private is the memory that is the child's alone, in bytes (proc(5),
// smaps_rollup).
func (c *child) private() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	sum, seen := int64(0), 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && (fields[0] == "Private_Clean:" || fields[0] == "Private_Dirty:") {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, err
			}
			sum, seen = sum+n<<10, seen+1
		}
	}
	if seen != 2 {
		return 0, errors.New("smaps_rollup tells no private memory")
	}
	return sum, nil
}
