package e2e

import (
	"net"
	stdsync "sync"
	"testing"
	"time"
)

// proxy stands between the source and a server and can break what the server
// answers at a given byte.
type proxy struct {
	t      testing.TB
	target string
	l      net.Listener

	mu    stdsync.Mutex
	how   string // "" passes everything on
	left  int    // bytes until it breaks
	conns map[net.Conn]bool
	wg    stdsync.WaitGroup
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, target: target, l: l, conns: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.drop()
		p.wg.Wait()
	})
	return p
}

// breaks makes the answers break after n bytes from now: close, reset, stall
// or garbage.
func (p *proxy) breaks(how string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.how, p.left = how, n
}

// drop ends all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		// The other side may have closed it already.
		_ = c.Close()
	}
	p.conns = map[net.Conn]bool{}
}

// heal passes everything on again; stalled connections are ended.
func (p *proxy) heal() {
	p.breaks("", 0)
	p.drop()
}

func (p *proxy) serve() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		s, err := net.DialTimeout("tcp", p.target, time.Second)
		if err != nil {
			_ = c.Close() // the server is down: so are we
			continue
		}
		p.mu.Lock()
		p.conns[c], p.conns[s] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.pump(s, c, false) })
		p.wg.Go(func() { p.pump(c, s, true) })
	}
}

// pump copies one direction; answers are the ones that break.
func (p *proxy) pump(to, from net.Conn, answers bool) {
	defer func() {
		_ = to.Close() // the end of one direction is the end of both
		_ = from.Close()
	}()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		pass, how := n, ""
		if answers {
			p.mu.Lock()
			if p.how != "" {
				pass = min(n, p.left)
				p.left -= pass
				if pass < n {
					how = p.how
				}
			}
			p.mu.Unlock()
		}
		if _, err := to.Write(buf[:pass]); err != nil {
			return
		}
		switch how {
		case "close":
			return
		case "reset":
			if tcp, ok := to.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset instead of a farewell
			}
			return
		case "garbage":
			for i := pass; i < n; i++ {
				buf[i] ^= 0x5a
			}
			if _, err := to.Write(buf[pass:n]); err != nil {
				return
			}
		case "stall":
			// Nothing more is passed on until somebody closes.
			if _, err := from.Read(buf[:1]); err != nil {
				return
			}
			for {
				if _, err := from.Read(buf); err != nil {
					return
				}
			}
		}
	}
}
