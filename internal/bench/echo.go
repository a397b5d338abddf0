package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// echoCommand as the only argument makes this program the echo server.
const echoCommand = "echo"

// serveEcho is what a SCIM request costs before it does anything: Go's HTTP
// server, the body read, an answer of the same size written. PUT teaches an
// answer under a number, which the header X-Echo names afterwards. It writes
// its URL and serves until in ends.
func serveEcho(in io.Reader, out io.Writer) error {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "http://"+socket.Addr().String()); err != nil {
		return err
	}
	e := &echo{answers: map[int][]byte{}}
	server := &http.Server{Handler: e}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(socket) }()
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if err := server.Close(); err != nil {
		return err
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// echo answers with what it was taught.
type echo struct {
	mu      sync.RWMutex
	answers map[int][]byte // guarded by mu
}

var scimType = []string{"application/scim+json;charset=utf-8"}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.Header.Get("X-Echo"))
	if err != nil {
		http.Error(w, "X-Echo is no number", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodPut {
		e.mu.Lock()
		e.answers[n] = body
		e.mu.Unlock()
		return
	}
	e.mu.RLock()
	answer := e.answers[n]
	e.mu.RUnlock()
	w.Header()["Content-Type"] = scimType
	if len(answer) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if _, err := w.Write(answer); err != nil {
		panic(http.ErrAbortHandler)
	}
}
