// Package script is an LDAP server that does what it is told, for what real
// servers cannot be made to do: it cuts a page in the middle, stalls, sends
// cookies in a circle or members in ranges. It speaks plain LDAP v3 on
// loopback and knows bind, unbind and search.
package script

import (
	"bufio"
	"errors"
	"net"
	stdsync "sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// Request is a search as the client sent it.
type Request struct {
	ID     int64
	Base   string
	Scope  int64
	Filter string
	Attrs  []string
	// Paging is the paging control's size, 0 without one; Cookie is its
	// cookie. Sync tells that the request has a sync control, SyncCookie its
	// cookie.
	Paging     int64
	Cookie     string
	Sync       bool
	SyncCookie string
	filter     *ber.Packet
}

// Server is a scripted server. Handlers are called for one connection at a
// time in the order of its requests, but from many connections at once.
type Server struct {
	listener net.Listener
	// OnBind answers a bind with a result code; nil accepts all.
	OnBind func(c *Conn, name, password string) int64
	// OnSearch answers a search.
	OnSearch func(c *Conn, r *Request)

	mu    stdsync.Mutex
	conns map[net.Conn]bool
	wg    stdsync.WaitGroup
}

// Start starts a server that ends with the test. Set the handlers before the
// first client comes.
func Start(t testing.TB, onSearch func(c *Conn, r *Request)) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{listener: l, OnSearch: onSearch, conns: map[net.Conn]bool{}}
	s.wg.Add(1)
	go s.accept()
	t.Cleanup(s.close)
	return s
}

// URL is the server's address.
func (s *Server) URL() string { return "ldap://" + s.listener.Addr().String() }

func (s *Server) close() {
	// Closing twice, or what a handler has reset, is as good.
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *Server) accept() {
	defer s.wg.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Add(1)
		go s.serve(&Conn{net: c, server: s, gone: make(chan struct{})})
	}
}

func (s *Server) serve(c *Conn) {
	defer s.wg.Done()
	defer c.Cut()
	packets := make(chan *ber.Packet)
	go func() {
		defer close(packets)
		defer close(c.gone)
		in := bufio.NewReader(c.net)
		for {
			p, err := ber.ReadPacket(in)
			if err != nil {
				return
			}
			select {
			case packets <- p:
			case <-c.stopped():
				return
			}
		}
	}()
	for p := range packets {
		if !s.one(c, p) {
			return
		}
	}
}

// one answers one message; false ends the connection.
func (s *Server) one(c *Conn, p *ber.Packet) bool {
	if len(p.Children) < 2 {
		return false
	}
	id, _ := p.Children[0].Value.(int64)
	op := p.Children[1]
	switch op.Tag {
	case goldap.ApplicationBindRequest:
		name, _ := op.Children[1].Value.(string)
		code := int64(0)
		if s.OnBind != nil {
			code = s.OnBind(c, name, op.Children[2].Data.String())
		}
		if code >= 0 {
			c.result(id, goldap.ApplicationBindResponse, code, "", nil)
		}
	case goldap.ApplicationUnbindRequest:
		return false
	case goldap.ApplicationSearchRequest:
		r, err := decode(id, p)
		if err != nil {
			return false
		}
		s.OnSearch(c, r)
	}
	return !c.isCut()
}

var errShort = errors.New("not a search")

// decode reads a search request (RFC 4511 section 4.5.1).
func decode(id int64, p *ber.Packet) (*Request, error) {
	op := p.Children[1]
	if len(op.Children) < 8 {
		return nil, errShort
	}
	filter, err := goldap.DecompileFilter(op.Children[6])
	if err != nil {
		return nil, err
	}
	r := &Request{ID: id, Filter: filter, filter: op.Children[6]}
	r.Base, _ = op.Children[0].Value.(string)
	r.Scope, _ = op.Children[1].Value.(int64)
	for _, a := range op.Children[7].Children {
		name, _ := a.Value.(string)
		r.Attrs = append(r.Attrs, name)
	}
	if len(p.Children) > 2 {
		for _, ctl := range p.Children[2].Children {
			if err := r.control(ctl); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

func (r *Request) control(p *ber.Packet) error {
	oid, _ := p.Children[0].Value.(string)
	value := p.Children[len(p.Children)-1]
	inner, err := ber.DecodePacketErr(value.Data.Bytes())
	if err != nil {
		return nil // a control without a value
	}
	switch oid {
	case goldap.ControlTypePaging:
		if len(inner.Children) != 2 {
			return errShort
		}
		r.Paging, _ = inner.Children[0].Value.(int64)
		r.Cookie = inner.Children[1].Data.String()
	case goldap.ControlTypeSyncRequest:
		r.Sync = true
		for _, c := range inner.Children {
			if c.Tag == ber.TagOctetString {
				r.SyncCookie = c.Data.String()
			}
		}
	}
	return nil
}
