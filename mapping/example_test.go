package mapping

import "testing"

func TestExampleLoads(t *testing.T) {
	r, err := Load(Example(), LoadOptions{File: "example.yaml", Connections: []string{"corp", "okta"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Hash()[:7] != "sha256:" || len(r.Hash()) != 71 {
		t.Errorf("hash %q", r.Hash())
	}
	if rows := r.OwnerRows(); len(rows) != 1 || len(rows[0].ManagerOf) != 1 || rows[0].ManagerOf[0].Connection != "corp" || !rows[0].KeepLast {
		t.Errorf("owner rows %+v", r.OwnerRows())
	}
	if a := r.Authors(); len(a) != 1 || a[0] != "ann@acme.com" {
		t.Errorf("authors %v", a)
	}
	if !r.Reads("department") || r.Reads("rollcall.role") || r.Reads("title2") {
		t.Error("Reads does not follow the rows")
	}
}
