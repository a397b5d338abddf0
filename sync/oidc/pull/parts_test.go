package pull

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/sync"
)

// TestPath: what a path finds, and what it says where there is nothing.
func TestPath(t *testing.T) {
	t.Parallel()
	var doc map[string]any
	d := json.NewDecoder(strings.NewReader(`{"a":"x","b":{"c":["y","z"],"n":7,"t":true},"e":"","null":null,"nul":"a\u0000b",
		"mails":[{"value":"h@x","type":"home"},{"value":"w@x","type":"Work","primary":true}],"urn:ietf:scim:2.0:User":{"dept":"Sales"}}`))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]struct {
		values  []string
		present bool
	}{
		"a":                           {[]string{"x"}, true},
		"b.c":                         {[]string{"y", "z"}, true},
		"b.n":                         {[]string{"7"}, true},
		"b.t":                         {[]string{"true"}, true},
		"e":                           {nil, true},
		"null":                        {nil, true},
		"null.below":                  {nil, true},
		"nul":                         {nil, true},
		"missing":                     {nil, false},
		"b.missing":                   {nil, false},
		"a.below":                     {nil, false},
		"mails":                       {[]string{"h@x", "w@x"}, true},
		"mails[type=work].value":      {[]string{"w@x"}, true},
		"mails[primary].value":        {[]string{"w@x"}, true},
		"mails[type=other].value":     {nil, true},
		"urn:ietf:scim:2.0:User:dept": {[]string{"Sales"}, true},
		"urn:ietf:scim:2.0:User:none": {nil, false},
		"urn:ietf:scim:2.1:User:dept": {nil, false},
	} {
		p, err := parsePath(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		values, present := p.values(doc)
		if !slices.Equal(values, want.values) || present != want.present {
			t.Errorf("%s: %q %v, want %q %v", text, values, present, want.values, want.present)
		}
	}
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x", "a]b", "[x]", "a[x=]", "a[x][y]", "urn:", "urn:x", "urn:a:"} {
		if p, err := parsePath(bad); err == nil {
			t.Errorf("%q is a path: %+v", bad, p)
		}
	}
}

// FuzzPath: any text is a path or an error, and a path reads any document.
func FuzzPath(f *testing.F) {
	for _, text := range []string{"a.b", "a[primary].b", "urn:ietf:x:2.0:User:dept.y", "a[t=w].v", "]", "a.b]"} {
		f.Add(text, `{"a":[{"b":1}]}`)
	}
	f.Fuzz(func(t *testing.T, text, body string) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		var doc map[string]any
		if json.Unmarshal([]byte(body), &doc) != nil {
			return
		}
		if values, present := p.values(doc); !present && len(values) > 0 {
			t.Errorf("%q finds %q where it says nothing is", text, values)
		}
	})
}

// TestLinkRule (ON1): scheme, host and port of the API, its path, and nothing
// that another program may read as another host.
func TestLinkRule(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("https://idp.acme.com/scim/v2")
	if err != nil {
		t.Fatal(err)
	}
	a := &api{base: base, meter: &sync.Meter{}}
	for text, ok := range map[string]bool{
		"https://idp.acme.com/scim/v2/Users?cursor=x": true,
		"https://IDP.acme.com:443/scim/v2/Users":      true,
		"https://idp.acme.com/scim/v2":                true,
		"http://idp.acme.com/scim/v2/Users":           false,
		"https://idp.acme.com:8443/scim/v2/Users":     false,
		"https://idp.acme.com.thief.example/scim/v2/": false,
		"https://idp.acme.com@thief.example/scim/v2/": false,
		"https://a@idp.acme.com/scim/v2/Users":        false,
		"https://idp.acme.com/scim/v2x/Users":         false,
		"https://idp.acme.com/other":                  false,
		"https://idp.acme.com/scim/v2/../../admin":    false,
		"https://idp.acme.com/scim/v2/Users#x":        false,
		"//idp.acme.com/scim/v2/Users":                false,
		"/scim/v2/Users":                              false,
		"https:idp.acme.com/scim/v2":                  false,
		"https://thief.example/scim/v2/Users":         false,
		"javascript:alert(1)":                         false,
		"https://[::1]/scim/v2/Users":                 false,
		"\x00":                                        false,
		"":                                            false,
	} {
		if _, err := a.link(text); (err == nil) != ok {
			t.Errorf("%q: %v, want allowed %v", text, err, ok)
		}
	}
}

// TestBucket (OD3): a second's worth at once, then the rate, also when the
// host lowers it or closes the door.
func TestBucket(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	began := now
	pause := func(_ context.Context, d time.Duration) error {
		now = now.Add(d)
		return nil
	}
	b := (&Buckets{}).of("idp.acme.com", 10)
	take := func(n int) time.Duration {
		from := now
		for range n {
			if err := b.take(t.Context(), func() time.Time { return now }, pause); err != nil {
				t.Fatal(err)
			}
		}
		return now.Sub(from)
	}
	if took := take(10); took != 0 {
		t.Errorf("the first ten took %s", took)
	}
	if took := take(50); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
		t.Errorf("fifty more took %s, want 5 s", took)
	}
	b.learn(240) // a minute: half of it is two a second
	if took := take(10); took < 4*time.Second || took > 6*time.Second {
		t.Errorf("ten at two a second took %s", took)
	}
	b.close(now.Add(time.Minute))
	if took := take(1); took < time.Minute {
		t.Errorf("behind a closed door took %s", took)
	}
	if (&Buckets{}).of("x", 10) == b || now.Before(began) {
		t.Error("buckets are shared between hosts")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.take(ctx, func() time.Time { return now }, pause); err == nil {
		t.Error("a request passes after its run has ended")
	}
}

// TestOneBucketAHost: sources of one host share its rate.
func TestOneBucketAHost(t *testing.T) {
	t.Parallel()
	var all Buckets
	if all.of("a", 5) != all.of("a", 50) || all.of("a", 5) == all.of("b", 5) {
		t.Error("one bucket a host is wanted")
	}
}

// TestNextLink reads the Link header of RFC 8288 in its usual shapes.
func TestNextLink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"two lines": {[]string{`<https://x/a>; rel="self"`, `<https://x/b?after=1>; rel="next"`}, "https://x/b?after=1"},
		"one line":  {[]string{`<https://x/a>; rel="self", <https://x/b,c>; rel="next"`}, "https://x/b,c"},
		"blanks":    {[]string{`<https://x/b> ; rel = "next"`}, "https://x/b"},
		"none":      {[]string{`<https://x/a>; rel="self"`}, ""},
		"broken":    {[]string{`https://x/a>; rel="next"`, `>x<`}, ""},
	} {
		h := http.Header{"Link": c.lines}
		if diff := cmp.Diff(c.want, nextLink(h)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
