package ldap

import (
	"testing"
	"time"
)

// LM7: ends of accounts in three notations.
func TestParseExpiry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value, want string
		never, bad        bool
	}{
		{name: "accountExpires", value: "0", never: true},
		{name: "accountExpires", value: "9223372036854775807", never: true},
		{name: "accountExpires", value: "9223372036854775806", never: true},
		{name: "accountExpires", value: "130000000000000000", want: "2012-12-14T23:06:40Z"},
		{name: "accountExpires", value: "-5", bad: true},
		{name: "accountExpires", value: "soon", bad: true},
		{name: "shadowExpire", value: "-1", never: true},
		{name: "shadowExpire", value: "0", want: "1970-01-01T00:00:00Z"},
		{name: "shadowExpire", value: "20454", want: "2026-01-01T00:00:00Z"},
		{name: "krbPrincipalExpiration", value: "20260101000000Z", want: "2026-01-01T00:00:00Z"},
		{name: "krbPrincipalExpiration", value: "never", bad: true},
	} {
		at, never, err := parseExpiry(c.name, c.value)
		if (err != nil) != c.bad || never != c.never || c.want != "" && at.Format(time.RFC3339) != c.want {
			t.Errorf("%s %s: %s, never %v, %v", c.name, c.value, at, never, err)
		}
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"20260102030405Z": "2026-01-02T03:04:05Z", "20260102030405.0Z": "2026-01-02T03:04:05Z", "20260102030405,25Z": "2026-01-02T03:04:05Z",
		"202601020304Z": "2026-01-02T03:04:00Z", "2026010203Z": "2026-01-02T03:00:00Z", "20260102030405+0200": "2026-01-02T01:04:05Z",
		"20260102030405-05": "2026-01-02T08:04:05Z", "2026-01-02": "2026-01-02T00:00:00Z", "2026-01-02T03:04:05+01:00": "2026-01-02T02:04:05Z",
		"130000000000000000": "2012-12-14T23:06:40Z",
	} {
		if at, err := parseTime(v); err != nil || at.Format(time.RFC3339) != want {
			t.Errorf("%s: %s, %v; want %s", v, at.Format(time.RFC3339), err, want)
		}
	}
	for _, bad := range []string{"", "Z", "2026", "20261302030405Z", "000001010000Z", "later"} {
		if at, err := parseTime(bad); err == nil {
			t.Errorf("%q reads as %s", bad, at)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("20260102030405.0Z")
	f.Add("130000000000000000")
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := parseTime(s); err == nil && (at.Year() < 1 || at.Year() > 9999) {
			t.Errorf("%q: year %d", s, at.Year())
		}
	})
}
