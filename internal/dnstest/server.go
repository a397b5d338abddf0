// Package dnstest is a small DNS server on loopback, for tests that prove
// claims of domains: it answers over UDP and TCP like an authoritative server
// and fails in the ways that servers fail.
package dnstest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Fault is a way in which a name fails.
type Fault uint8

// The faults of a name.
const (
	Fine     Fault = iota
	ServFail       // RCODE 2
	Refused        // RCODE 5
	Silent         // no answer at all
	Garbage        // bytes that are no message
)

// udpSize is what fits into one datagram before an answer is truncated.
const udpSize = 1200

// Server answers questions about the records that it was given. It is safe
// for concurrent use.
type Server struct {
	// Addr is host:port, for UDP and TCP.
	Addr string

	tcp    net.Listener
	udp    net.PacketConn
	wg     stdsync.WaitGroup
	mu     stdsync.Mutex
	txt    map[string][][]string
	ns     map[string][]string
	faults map[string]Fault
	asked  map[string]int
}

// New starts a server for the time of a test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s, err := Start()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Start starts a server; Close ends it.
func Start() (*Server, error) {
	s := &Server{txt: map[string][][]string{}, ns: map[string][]string{}, faults: map[string]Fault{}, asked: map[string]int{}}
	for range 10 { // a port that is free for TCP may be taken for UDP
		var err error
		if s.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		if s.udp, err = net.ListenPacket("udp", s.tcp.Addr().String()); err == nil {
			s.Addr = s.tcp.Addr().String()
			s.wg.Go(func() { s.datagrams(s.udp) })
			s.wg.Go(func() { s.streams(s.tcp) })
			return s, nil
		}
		if err := s.tcp.Close(); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("no port is free for both UDP and TCP")
}

// Close ends the server and waits for it.
func (s *Server) Close() error {
	err := errors.Join(s.udp.Close(), s.tcp.Close())
	s.wg.Wait()
	return err
}

func key(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// TXT sets the TXT records of a name; each is a list of chunks. None at all
// makes the name not exist.
func (s *Server) TXT(name string, records ...[]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txt[key(name)] = records
}

// NS sets the name servers of a name.
func (s *Server) NS(name string, hosts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ns[key(name)] = hosts
}

// Fail makes a name fail from now on.
func (s *Server) Fail(name string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[key(name)] = f
}

// Asked tells how often a name was asked for.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[key(name)]
}

func (s *Server) datagrams(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := s.answer(buf[:n], true); answer != nil {
			if _, err := c.WriteTo(answer, from); err != nil {
				return
			}
		}
	}
}

func (s *Server) streams(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go s.stream(c)
	}
}

// stream answers one question over TCP; a client that goes away is none of
// the server's business.
func (s *Server) stream(c net.Conn) {
	defer c.Close() //nolint:errcheck // The test looks at what the client got.
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	question := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, question); err != nil {
		return
	}
	answer := s.answer(question, false)
	if answer == nil {
		time.Sleep(time.Second)
		return
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
		return
	}
}

// answer makes the answer to one question; nil is silence.
func (s *Server) answer(question []byte, datagram bool) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(question)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := key(q.Name.String())
	s.mu.Lock()
	s.asked[name]++
	fault, texts, exists := s.faults[name], s.txt[name], len(s.txt[name])+len(s.ns[name]) > 0
	hosts := s.ns[name]
	s.mu.Unlock()
	code := dnsmessage.RCodeSuccess
	switch fault {
	case Silent:
		return nil
	case Garbage:
		return append(append([]byte{}, question[:2]...), "not a message"...)
	case ServFail:
		code, exists = dnsmessage.RCodeServerFailure, true
	case Refused:
		code, exists = dnsmessage.RCodeRefused, true
	}
	if !exists {
		code = dnsmessage.RCodeNameError
	}
	build := func(truncated bool) []byte {
		b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
			ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true, RCode: code, Truncated: truncated,
		})
		b.EnableCompression()
		if b.StartQuestions() != nil || b.Question(q) != nil || b.StartAnswers() != nil {
			return nil
		}
		rr := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
		if code == dnsmessage.RCodeSuccess && !truncated {
			for _, t := range texts {
				if q.Type == dnsmessage.TypeTXT && b.TXTResource(rr, dnsmessage.TXTResource{TXT: t}) != nil {
					return nil
				}
			}
			for _, h := range hosts {
				host, err := dnsmessage.NewName(key(h) + ".")
				if err != nil || q.Type == dnsmessage.TypeNS && b.NSResource(rr, dnsmessage.NSResource{NS: host}) != nil {
					return nil
				}
			}
		}
		out, err := b.Finish()
		if err != nil {
			return nil
		}
		return out
	}
	out := build(false)
	if datagram && len(out) > udpSize {
		return build(true)
	}
	return out
}
