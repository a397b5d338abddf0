package audit

import (
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// memory keeps stored hashes as tlog numbers them.
type memory map[int64]tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		h, ok := m[x]
		if !ok {
			return nil, fmt.Errorf("hash %d was never stored", x)
		}
		out[i] = h
	}
	return out, nil
}

func TestAppendEqualsTlog(t *testing.T) {
	head, ours, theirs := Head{Gen: 1}, map[int64]string{}, memory{}
	var rows [][]string // by leaf
	for n := int64(0); n < 300; n++ {
		leaf := []byte(fmt.Sprintf(`{"v":1,"n":%d}`, n))
		hashes, err := tlog.StoredHashes(n, leaf, theirs)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range hashes {
			theirs[tlog.StoredHashIndex(0, n)+int64(i)] = h
		}
		next, stored, err := Append(head, leaf)
		if err != nil {
			t.Fatal(err)
		}
		head = next
		rows = append(rows, stored)
		for i, h := range stored {
			ours[tlog.StoredHashIndex(0, n)+int64(i)] = h
		}
		want, err := tlog.TreeHash(n+1, theirs)
		if err != nil {
			t.Fatal(err)
		}
		if head.Root != encode(want) || head.Size != n+1 {
			t.Fatalf("after %d leaves: root %s size %d, tlog says %s", n+1, head.Root, head.Size, encode(want))
		}
	}
	if len(ours) != len(theirs) {
		t.Fatalf("stored %d hashes, tlog stores %d", len(ours), len(theirs))
	}
	for i, h := range theirs {
		if ours[i] != encode(h) {
			t.Errorf("hash %d differs from tlog's", i)
		}
		level, n := tlog.SplitStoredHashIndex(i)
		if last := rows[(n+1)<<level-1]; len(last) <= level || last[level] != encode(h) {
			t.Errorf("node %d of level %d is not number %d of its last leaf's", n, level, level)
		}
	}
}

func TestAppendVector(t *testing.T) {
	head, _, err := Append(Head{Gen: 1}, []byte(`{"v":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := "D+fwTNloj7mW7qmuEkjL6DtNBIBUE/NaslrZ3rWjyzI="; head.Root != want {
		t.Errorf("root of one leaf is %s, want %s", head.Root, want)
	}
}

func TestAppendRefusesAnEditedHead(t *testing.T) {
	if _, _, err := Append(Head{Gen: 1, Size: 3, Edge: make([]byte, 32)}, []byte("x")); err == nil {
		t.Error("a head whose edge does not fit its size was accepted (A15)")
	}
}

func TestRecordsRootEqualsTlog(t *testing.T) {
	if got := RecordsRoot(nil); got != EmptyRoot {
		t.Errorf("root of no records is %s", got)
	}
	var records [][]byte
	theirs := memory{}
	for n := int64(0); n < 70; n++ {
		r := []byte(fmt.Sprintf("record %d", n))
		records = append(records, r)
		hashes, err := tlog.StoredHashes(n, r, theirs)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range hashes {
			theirs[tlog.StoredHashIndex(0, n)+int64(i)] = h
		}
		want, err := tlog.TreeHash(n+1, theirs)
		if err != nil {
			t.Fatal(err)
		}
		if got := RecordsRoot(records); got != encode(want) {
			t.Fatalf("root of %d records is %s, tlog says %s", n+1, got, encode(want))
		}
	}
}

func TestCommitVector(t *testing.T) {
	salt := make([]byte, 32)
	for i := range salt {
		salt[i] = 7
	}
	if got, want := commitment(salt, "email", "ann@acme.com"), "h2kZMf458kHXPG+D3eyUwgMiRzF44RohZ8TPTsmUMgc="; got != want {
		t.Errorf("commitment is %s, want %s", got, want)
	}
}
