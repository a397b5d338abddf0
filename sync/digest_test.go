package sync

import "testing"

// Every form of an immutable id comes back as it was, and the last bearer of a
// name counts.
func TestIDsByName(t *testing.T) {
	t.Parallel()
	n := newIDsByName()
	for name, id := range map[string]string{
		"uid=ann,dc=acme": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
		"uid=bob,dc=acme": "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
		"uid=cy,dc=acme":  "3f2504e04f8941d39a0c0305e82c3301",
		"uid=dan,dc=acme": "1001",
		"":                "of nobody",
	} {
		n.put(name, id)
		if got := n.id(name); name != "" && got != id {
			t.Errorf("%q came back as %q", id, got)
		}
	}
	n.put("uid=ann,dc=acme", "1002")
	if got := n.id("uid=ann,dc=acme"); got != "1002" {
		t.Errorf("the name is %q's still", got)
	}
	if n.id("") != "" || n.id("uid=eve,dc=acme") != "" {
		t.Error("a name that nobody bears has a bearer")
	}
}
