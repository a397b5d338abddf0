package scim

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// endless is a body of n bytes that costs nothing to hold.
type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := min(len(b), e.n)
	for i := range b[:n] {
		b[i] = 'x'
	}
	e.n -= n
	return n, nil
}

// TestHostileRequests: each is refused within 10 ms of CPU and the process
// lives (LB01, LB02, LB10, GD01 to GD06, FT10). The time is the least of five
// tries: others use the machine too.
func TestHostileRequests(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	filter := func(text string) *http.Request {
		return newRequest("GET", "/Users?filter="+urlEncode(text), p.tokens["okta"])
	}
	send := func(method, path string, body io.Reader, length int64) *http.Request {
		r := httptest.NewRequest(method, "/scim/v2"+path, body)
		r.Header.Set("Authorization", "Bearer "+p.tokens["okta"])
		r.Header.Set("Content-Type", mediaType)
		r.ContentLength = length
		return r
	}
	text := func(method, path, body string) *http.Request {
		return send(method, path, strings.NewReader(body), int64(len(body)))
	}
	for _, tt := range []struct {
		name   string
		make   func() *http.Request
		status int
	}{
		{"nested parentheses", func() *http.Request {
			return filter(strings.Repeat("(", 100_000) + `userName eq "x"` + strings.Repeat(")", 100_000))
		}, 400},
		{"nested parentheses that fit GD01", func() *http.Request {
			return filter(strings.Repeat("(", 2000) + `userName pr` + strings.Repeat(")", 2000))
		}, 400},
		{"not chain", func() *http.Request {
			return filter(strings.Repeat("not (", 20_000) + "userName pr" + strings.Repeat(")", 20_000))
		}, 400},
		{"not chain that fits GD01", func() *http.Request {
			return filter(strings.Repeat("not (", 600) + "userName pr" + strings.Repeat(")", 600))
		}, 400},
		{"long and", func() *http.Request { return filter(strings.Repeat("userName pr and ", 10_000) + "userName pr") }, 400},
		{"65 terms", func() *http.Request { return filter(strings.Repeat("userName pr and ", 64) + "userName pr") }, 400},
		{"30 MB with its length", func() *http.Request { return send("POST", "/Users", &endless{30 << 20}, 30<<20) }, 413},
		{"30 MB without length", func() *http.Request { return send("POST", "/Users", &endless{30 << 20}, -1) }, 413},
		{"30 MB on a Group", func() *http.Request { return send("POST", "/Groups", &endless{30 << 20}, 30<<20) }, 413},
		{"depth 10,000", func() *http.Request {
			return text("POST", "/Users", `{"userName":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`}`)
		}, 400},
		{"objects of depth 10,000", func() *http.Request {
			return text("PUT", "/Users/"+ann, strings.Repeat(`{"name":`, 10_000)+"1"+strings.Repeat("}", 10_000))
		}, 400},
		{"text of 1 MB", func() *http.Request {
			return text("POST", "/Users", `{"userName":"`+strings.Repeat("x", 1<<20-100)+`"}`)
		}, 400},
		{"100,000 operations", func() *http.Request {
			return text("PATCH", "/Users/"+ann, `{"Operations":[`+strings.Repeat(`{},`, 100_000)+`{}]}`)
		}, 413},
		{"path of nested brackets", func() *http.Request {
			return text("PATCH", "/Users/"+ann, patchBody(`{"op":"remove","path":"emails`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`"}`))
		}, 400},
		{"duplicate keys", func() *http.Request { return text("POST", "/Users", "{"+strings.Repeat(`"a":1,`, 100_000)+`"a":1}`) }, 400},
		{"no UTF-8", func() *http.Request {
			return send("POST", "/Users", bytes.NewReader([]byte{'{', '"', 0xff, '"'}), 4)
		}, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			least := time.Hour
			for range max(1, 5/raceFactor) {
				r := tt.make()
				w := httptest.NewRecorder()
				before := cpuTime(t)
				p.handler.ServeHTTP(w, r)
				least = min(least, cpuTime(t)-before)
				if w.Code != tt.status {
					t.Fatalf("status %d, want %d: %s", w.Code, tt.status, w.Body)
				}
			}
			if least > 10*time.Millisecond*raceFactor {
				t.Errorf("refused after %v of CPU, want at most 10 ms", least)
			}
		})
	}
	p.request("okta", "GET", "/Users/"+ann, "").is(http.StatusOK)
}

// TestTooLargeIsAnswered: a client that writes its whole body before it reads
// sees why it was refused, and not a broken connection; one that only says so
// is answered at once (GD04).
func TestTooLargeIsAnswered(t *testing.T) {
	p := newProvider(t, providerOptions{})
	server := httptest.NewServer(p.handler)
	defer server.Close()
	send := func(head, body string) (status string, took time.Duration) {
		t.Helper()
		start := time.Now()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}()
		_, err = io.WriteString(conn, "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "+p.tokens["okta"]+"\r\n"+head+"\r\n\r\n"+body)
		if err != nil {
			t.Fatalf("the connection broke: %v", err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line, time.Since(start)
	}
	long := strings.Repeat("x", 12<<20)
	for _, tt := range []struct{ head, body string }{
		{fmt.Sprintf("Content-Length: %d", len(long)), long},
		{"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(long), long)},
		{fmt.Sprintf("Content-Length: %d", len(long)), ""},
	} {
		if status, took := send(tt.head, tt.body); !strings.Contains(status, " 413 ") || took > 10*time.Second {
			t.Errorf("%s, %d sent: %q after %s", tt.head, len(tt.body), status, took)
		}
	}
}
