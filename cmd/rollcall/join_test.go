package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// letters are what the mail servers of running scripts took, by address of
// the server.
var letters stdsync.Map

// smtpCommand runs a mail server without TLS on loopback, and keeps its
// address in $SMTP: smtp start.
func smtpCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "start" {
		ts.Fatalf("usage: smtp start")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ts.Check(l.Close()) })
	taken := make(chan string, 100)
	letters.Store(l.Addr().String(), taken)
	ts.Setenv("SMTP", l.Addr().String())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go takeLetter(c, taken)
		}
	}()
}

// takeLetter is the server's side of one letter. A client that goes away has
// sent none.
func takeLetter(c net.Conn, taken chan<- string) {
	defer c.Close() //nolint:errcheck // What counts is whether the letter came.
	r := bufio.NewReader(c)
	say := func(line string) bool {
		_, err := io.WriteString(c, line+"\r\n")
		return err == nil
	}
	var letter strings.Builder
	for ok, data := say("220 test"), false; ok; {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case data && line == ".\r\n":
			data = false
			taken <- letter.String()
			ok = say("250 taken")
		case data:
			letter.WriteString(line)
		case strings.HasPrefix(line, "DATA"):
			data, ok = true, say("354 go on")
		default:
			ok = say("250 fine")
		}
	}
}

// joinCommand goes through the pages of the running daemon as a browser, up to
// the answer to the last form, and prints that page: join ADDRESS NAME. With !
// the address gets no letter.
func joinCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: join ADDRESS NAME")
	}
	base := strings.TrimSuffix(ts.Getenv("SCIM"), "/scim/v2") + "/join"
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	send := func(path string, form url.Values) string {
		answer, err := browser.PostForm(base+path, form)
		ts.Check(err)
		text, err := io.ReadAll(answer.Body)
		ts.Check(err)
		ts.Check(answer.Body.Close())
		return string(text)
	}
	page := send("", url.Values{"email": {args[0]}})
	box, ok := letters.Load(ts.Getenv("SMTP"))
	if !ok {
		ts.Fatalf("join comes after smtp start")
	}
	var code string
	select {
	case letter := <-box.(chan string):
		if !strings.Contains(letter, "To: <"+args[0]+">") {
			ts.Fatalf("a letter to somebody else:\n%s", letter)
		}
		code = regexp.MustCompile(`(?m)^Subject: .*(\d{6})`).FindStringSubmatch(letter)[1]
	case <-time.After(map[bool]time.Duration{true: time.Second, false: 20 * time.Second}[neg]):
	}
	switch {
	case neg && code == "":
		_, err = fmt.Fprint(ts.Stdout(), page)
		ts.Check(err)
		return
	case neg:
		ts.Fatalf("%s got a letter", args[0])
	case code == "":
		ts.Fatalf("%s got no letter:\n%s", args[0], page)
	}
	page = send("/code", url.Values{"code": {code}})
	if strings.Contains(page, `action="/join/confirm"`) {
		page = send("/confirm", url.Values{"name": {args[1]}})
	}
	_, err = fmt.Fprint(ts.Stdout(), page)
	ts.Check(err)
}
