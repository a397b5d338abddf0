package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// client is one HTTP client on one kept connection. It does little, since it
// shares the machine with the server that it measures. It is used by one
// goroutine.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
	prefix string // path before that of a request
	header string
	out    []byte
}

// dial connects to a URL. Each request carries the header lines given.
func dial(base, header string) (*client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10), prefix: u.Path, header: "Host: " + u.Host + "\r\n" + header}, nil
}

// request is one request of a measurement.
type request struct{ method, path, body string }

// send sends a request and reads its answer; one of 300 or more is an error.
func (c *client) send(r request, more string) (answer string, err error) {
	b := append(c.out[:0], r.method...)
	b = append(b, ' ')
	b = append(b, c.prefix...)
	b = append(b, r.path...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = append(b, c.header...)
	b = append(b, more...)
	if r.body != "" {
		b = append(b, "Content-Type: application/scim+json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.body)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, r.body...)
	c.out = b
	if _, err := c.conn.Write(b); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		return "", err
	}
	if err == nil && res.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s %s", r.method, r.path, res.Status, body)
	}
	return string(body), err
}

// idOf takes the id out of an answer.
func idOf(answer string) (string, error) {
	_, rest, ok := strings.Cut(answer, `"id":"`)
	id, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		return "", fmt.Errorf("no id in %q", answer)
	}
	return id, nil
}
