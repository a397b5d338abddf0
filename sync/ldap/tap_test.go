package ldap

import (
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

func octetString(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// entryMessage encodes an entry by the library that the tap stands in for.
func entryMessage(id int64, name string, attrs map[string][]string) []byte {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(octetString(name))
	list := ber.NewSequence("")
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		one := ber.NewSequence("")
		one.AppendChild(octetString(k))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range attrs[k] {
			set.AppendChild(octetString(v))
		}
		one.AppendChild(set)
		list.AppendChild(one)
	}
	op.AppendChild(list)
	m.AppendChild(op)
	return m.Bytes()
}

// What the tap reads is what was sent, octet for octet.
func TestTapReadsEntries(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) string { return string(b) })
		attrs := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), rapid.SliceOfN(octets, 0, 5), 0, 6).Draw(t, "attributes")
		name := octets.Draw(t, "name")
		it, ok, err := parseEntry(entryMessage(rapid.Int64Range(1, 1<<40).Draw(t, "id"), name, attrs))
		if err != nil || !ok || it.entry.DN != name {
			t.Fatalf("%+v, %v, %v", it, ok, err)
		}
		got := map[string][]string{}
		for _, a := range it.entry.Attributes {
			got[a.Name] = slices.Clone(a.Values)
		}
		for k, v := range attrs {
			if len(v) == 0 {
				attrs[k] = nil
			}
		}
		for k, v := range got {
			if len(v) == 0 {
				got[k] = nil
			}
		}
		if diff := cmp.Diff(attrs, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	f.Add(entryMessage(7, "uid=a,dc=b", map[string][]string{"mail": {"a@acme.com", ""}}))
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		it, ok, err := parseEntry(b)
		if ok && (err != nil || it.entry == nil) {
			t.Errorf("%+v, %v", it, err)
		}
	})
}

// feed gives a tap that reads from what is written to w.
func feed(t *testing.T) (tp *tap, w net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	return newTap(a, &sync.Meter{}), b
}

// Other messages go on as they came, after the entries before them.
func TestTapOrder(t *testing.T) {
	t.Parallel()
	tp, w := feed(t)
	done := []byte{0x30, 0x0c, 0x02, 0x01, 0x05, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00}
	go func() {
		_, err := w.Write(slices.Concat(entryMessage(5, "cn=a", nil), entryMessage(5, "cn=b", nil), done))
		if err != nil {
			t.Error(err)
		}
	}()
	got := make([]byte, len(done))
	for i := range got { // byte by byte, as the library reads
		if n, err := tp.Read(got[i : i+1]); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if !slices.Equal(got, done) || len(tp.entries) != 2 {
		t.Errorf("%x, %d entries", got, len(tp.entries))
	}
}

// What is no LDAP message ends the connection; a length is not believed
// before its octets come.
func TestTapRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in  string
		err error
	}{
		"text":            {"HTTP/1.1 400 Bad Request\r\n", errMalformed},
		"indefinite":      {"\x30\x80\x02\x01", errMalformed},
		"too large":       {"\x30\x84\x7f\xff\xff\xff", errTooLarge},
		"too many octets": {"\x30\x85\x00\x00\x00\x00\x01", errTooLarge},
		"broken entry":    {"\x30\x07\x02\x01\x05\x64\x02\x04\x7f", errMalformed},
		"cut":             {"\x30\x84\x0f\xff\xff\xff\x02", io.ErrUnexpectedEOF},
	} {
		tp := newTap(nil, &sync.Meter{})
		tp.in.Reset(strings.NewReader(c.in))
		if _, err := tp.Read(make([]byte, 16)); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
		if cap(tp.buf) > 3<<20 {
			t.Errorf("%s: %d octets were set aside", name, cap(tp.buf))
		}
	}
}

// A server that is none is an error in time.
func TestNotADirectory(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, werr := io.WriteString(c, "220 mail.acme.com ESMTP\r\n")
			if err := errors.Join(werr, c.SetDeadline(time.Now().Add(time.Second))); err != nil {
				t.Error(err)
			}
		}
	}()
	a := fakeOpenLDAP(t, 1, nil)
	cfg := a.config(t)
	cfg.URL = URLs{"ldap://" + l.Addr().String()}
	for _, startTLS := range []bool{false, true} {
		cfg.StartTLS = startTLS
		began := time.Now()
		if _, err := newSource(t, cfg, Options{}).Full(ctxFor(t), sync.Cursor{}, &sourcetest.Collector{}); err == nil || time.Since(began) > 2*time.Second {
			t.Errorf("StartTLS %v: %v after %s", startTLS, err, time.Since(began))
		}
	}
}
