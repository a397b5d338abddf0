package script

import (
	"net"
	stdsync "sync"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// Conn answers one client.
type Conn struct {
	net    net.Conn
	server *Server
	gone   chan struct{} // closed when the client has left
	mu     stdsync.Mutex
	cut    bool
	once   stdsync.Once
	stop   chan struct{}
}

func (c *Conn) stopped() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop == nil {
		c.stop = make(chan struct{})
	}
	return c.stop
}

func (c *Conn) isCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// Cut ends the connection in order, in the middle of whatever was said.
func (c *Conn) Cut() {
	stop := c.stopped()
	c.once.Do(func() {
		c.mu.Lock()
		c.cut = true
		c.mu.Unlock()
		close(stop)
		// The client may have been faster.
		_ = c.net.Close()
		c.server.mu.Lock()
		delete(c.server.conns, c.net)
		c.server.mu.Unlock()
	})
}

// Reset ends the connection with a TCP reset.
func (c *Conn) Reset() {
	if tcp, ok := c.net.(*net.TCPConn); ok {
		// Without it the end is an orderly one, which a test would notice.
		_ = tcp.SetLinger(0)
	}
	c.Cut()
}

// Stall says nothing more until the client leaves.
func (c *Conn) Stall() { <-c.gone }

// Entry sends a search entry. Values may hold any bytes.
func (c *Conn) Entry(r *Request, name string, attrs map[string][]string, controls ...*ber.Packet) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "Entry")
	op.AppendChild(octets(name))
	list := ber.NewSequence("Attributes")
	for k, values := range attrs {
		one := ber.NewSequence("Attribute")
		one.AppendChild(octets(k))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "Values")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		one.AppendChild(set)
		list.AppendChild(one)
	}
	op.AppendChild(list)
	c.send(r.ID, op, controls)
}

// Reference sends a search reference.
func (c *Conn) Reference(r *Request, url string) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultReference, nil, "Reference")
	op.AppendChild(octets(url))
	c.send(r.ID, op, nil)
}

// Info sends an intermediate response with a sync info value (RFC 4533
// section 2.5).
func (c *Conn) Info(r *Request, value *ber.Packet) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationIntermediateResponse, nil, "Intermediate")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, goldap.ControlTypeSyncInfo, "Name"))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, string(value.Bytes()), "Value"))
	c.send(r.ID, op, nil)
}

// Done ends a search with a result code.
func (c *Conn) Done(r *Request, code int64, controls ...*ber.Packet) {
	c.result(r.ID, goldap.ApplicationSearchResultDone, code, "", controls)
}

func (c *Conn) result(id int64, tag ber.Tag, code int64, text string, controls []*ber.Packet) {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "Result")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, "Code"))
	op.AppendChild(octets(""))
	op.AppendChild(octets(text))
	c.send(id, op, controls)
}

func (c *Conn) send(id int64, op *ber.Packet, controls []*ber.Packet) {
	m := ber.NewSequence("Message")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "ID"))
	m.AppendChild(op)
	if len(controls) > 0 {
		list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "Controls")
		for _, x := range controls {
			list.AppendChild(x)
		}
		m.AppendChild(list)
	}
	// A client that has left is the test's business, not the script's.
	_, _ = c.net.Write(m.Bytes())
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func control(oid string, value *ber.Packet) *ber.Packet {
	c := ber.NewSequence("Control")
	c.AppendChild(octets(oid))
	c.AppendChild(octets(string(value.Bytes())))
	return c
}

// Paging is the paging control of an answer; an empty cookie is the end.
func Paging(cookie string) *ber.Packet {
	v := ber.NewSequence("")
	v.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 0, ""))
	v.AppendChild(octets(cookie))
	return control(goldap.ControlTypePaging, v)
}

// SyncState marks an entry of syncrepl (RFC 4533 section 2.3); uuid has 16
// bytes.
func SyncState(state int64, uuid string) *ber.Packet {
	v := ber.NewSequence("")
	v.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, state, ""))
	v.AppendChild(octets(uuid))
	return control(goldap.ControlTypeSyncState, v)
}

// SyncDone ends a refresh (RFC 4533 section 2.4).
func SyncDone(cookie string, refreshDeletes bool) *ber.Packet {
	v := ber.NewSequence("")
	if cookie != "" {
		v.AppendChild(octets(cookie))
	}
	v.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, refreshDeletes, ""))
	return control(goldap.ControlTypeSyncDone, v)
}

// IDSet is the sync info that names entries by 16 bytes each.
func IDSet(refreshDeletes bool, uuids ...string) *ber.Packet {
	v := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	v.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, refreshDeletes, ""))
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	for _, u := range uuids {
		set.AppendChild(octets(u))
	}
	v.AppendChild(set)
	return v
}
