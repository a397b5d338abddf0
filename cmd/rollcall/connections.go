package main

import (
	"net"
	"net/netip"
	stdsync "sync"
)

// limitedListener bounds open connections, in all and per address: above, new
// ones are closed at once. Proxies speak for many and are bounded in all only.
type limitedListener struct {
	net.Listener
	all, each int
	exempt    []netip.Prefix

	mu   stdsync.Mutex
	open int
	of   map[netip.Addr]int
}

func limitConnections(l net.Listener, all, each int, exempt []netip.Prefix) net.Listener {
	return &limitedListener{Listener: l, all: all, each: each, exempt: exempt, of: map[netip.Addr]int{}}
}

// Accept gives the next connection within the bounds.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := addressOf(conn)
		if l.take(addr) {
			return &limitedConn{Conn: conn, free: stdsync.OnceFunc(func() { l.give(addr) })}, nil
		}
		if err := conn.Close(); err != nil {
			return nil, err
		}
	}
}

func addressOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (l *limitedListener) take(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.all || l.of[addr] >= l.each && !l.proxy(addr) {
		return false
	}
	l.open++
	l.of[addr]++
	return true
}

func (l *limitedListener) give(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.of[addr]--; l.of[addr] == 0 {
		delete(l.of, addr)
	}
}

func (l *limitedListener) proxy(addr netip.Addr) bool {
	for _, p := range l.exempt {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	free func()
}

// Close closes the connection.
func (c *limitedConn) Close() error {
	c.free()
	return c.Conn.Close()
}
