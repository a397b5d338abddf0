package ldap

import (
	"bytes"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// LM1: the bytes of an objectGUID and its text.
func TestGUID(t *testing.T) {
	t.Parallel()
	raw := []byte{0x7d, 0xda, 0x67, 0xcc, 0xd7, 0xbb, 0xad, 0x49, 1, 2, 3, 4, 5, 6, 7, 8}
	text, err := guidText(string(raw))
	if err != nil || text != "cc67da7d-bbd7-49ad-0102-030405060708" {
		t.Errorf("%s, %v", text, err)
	}
	if back, err := guidBytes(text); err != nil || !bytes.Equal(back, raw) {
		t.Errorf("%x, %v", back, err)
	}
	if id, err := newIDKind("nsUniqueId").read([]string{"D8B7D501-1dd211b2-80d5d3f0-b7d9f0bc"}); id != "d8b7d501-1dd2-11b2-80d5-d3f0b7d9f0bc" || err != nil {
		t.Errorf("nsUniqueId: %s, %v", id, err)
	}
	for _, bad := range [][]string{nil, {""}, {"x"}, {string(raw), string(raw)}} {
		if id, err := newIDKind("objectGUID").read(bad); err == nil {
			t.Errorf("%v reads as %q", bad, id)
		}
	}
}

// FT14: an id finds exactly itself: the filter is one equality over the exact
// octets, whatever stands in it.
func TestIDFilter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 20, -1).Draw(t, "id")
		if _, err := uuid.Parse(id); err == nil {
			t.Skip("an id of its own form")
		}
		f, err := newIDKind("badgeNumber").filter(id)
		if err != nil {
			t.Fatal(err)
		}
		p, err := goldap.CompileFilter(f)
		if err != nil || p.Tag != goldap.FilterEqualityMatch || p.Children[1].Data.String() != id {
			t.Fatalf("%q gives %s: %v", id, f, err)
		}
	})
	for _, kind := range []string{"objectGUID", "entryUUID", "nsUniqueId"} {
		if f, err := newIDKind(kind).filter("*)(uid=*"); err == nil {
			t.Errorf("%s: %s", kind, f)
		}
	}
}
