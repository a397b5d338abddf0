package scim

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rawClient is an HTTP client that costs little and whose cost is known: it
// runs on the thread of the benchmark, with blocking calls, so that the time of
// the process less that of the thread is the server's.
type rawClient struct {
	tb      testing.TB
	fd      int
	headers string
	in      []byte
}

// threadUsage asks for the usage of the calling thread (getrusage(2)).
const threadUsage = 1

// newRawClient serves a handler on loopback and connects to it.
func newRawClient(tb testing.TB, h http.Handler, headers string) *rawClient {
	tb.Helper()
	runtime.LockOSThread()
	server := httptest.NewServer(h)
	c := &rawClient{tb: tb, headers: headers + "\r\n", in: make([]byte, 1<<20)}
	address, ok := server.Listener.Addr().(*net.TCPAddr)
	if !ok {
		tb.Fatal("the server does not listen on TCP")
	}
	var err error
	if c.fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0); err != nil {
		tb.Fatal(err)
	}
	to := &syscall.SockaddrInet4{Port: address.Port, Addr: [4]byte(address.IP.To4())}
	if err := syscall.Connect(c.fd, to); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := syscall.Close(c.fd); err != nil {
			tb.Error(err)
		}
		server.Close()
		runtime.UnlockOSThread()
	})
	return c
}

// serverTime is the CPU time of everything but this thread.
func (c *rawClient) serverTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(threadUsage, &usage); err != nil {
		c.tb.Fatal(err)
	}
	return cpuTime(c.tb) - time.Duration(usage.Utime.Nano()+usage.Stime.Nano())
}

// send sends one request and reads its answer.
func (c *rawClient) send(e exchanged, more string) (status int, answer string) {
	var b strings.Builder
	b.WriteString(e.method + " /scim/v2" + e.path + " HTTP/1.1\r\nHost: phone.acme.com\r\n" + c.headers + more)
	if e.body != "" {
		b.WriteString("Content-Type: " + mediaType + "\r\nContent-Length: " + strconv.Itoa(len(e.body)) + "\r\n")
	}
	b.WriteString("\r\n" + e.body)
	if _, err := syscall.Write(c.fd, []byte(b.String())); err != nil {
		c.tb.Fatal(err)
	}
	n := 0
	for {
		got, err := syscall.Read(c.fd, c.in[n:])
		if err != nil || got == 0 {
			c.tb.Fatalf("the server hung up: %v: %s", err, c.in[:n])
		}
		n += got
		if status, answer, ok := c.parse(c.in[:n]); ok {
			return status, answer
		}
	}
}

// parse reads an answer; ok is false while a part of it is missing.
func (c *rawClient) parse(in []byte) (status int, answer string, ok bool) {
	head, body, ok := bytes.Cut(in, []byte("\r\n\r\n"))
	if !ok {
		return 0, "", false
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		c.tb.Fatal(err)
	}
	if status == http.StatusNoContent {
		return status, "", true
	}
	_, rest, sized := bytes.Cut(head, []byte("Content-Length: "))
	if !sized {
		return status, string(body), bytes.HasSuffix(body, []byte("\r\n0\r\n\r\n"))
	}
	text, _, _ := bytes.Cut(rest, []byte("\r\n"))
	size, err := strconv.Atoi(string(text))
	if err != nil {
		c.tb.Fatal(err)
	}
	return status, string(body), len(body) == size
}
