package mapping

import (
	"errors"
	"strings"
	"testing"
)

// The table of mapping section 6 (NR1).
func TestNormaliseTable(t *testing.T) {
	for _, c := range []struct {
		raw, region string
		want        string // E.164, "" if refused
		ext         string
		err         error
		service     bool
	}{
		{raw: "22 00 00 00", region: "NO", want: "+4722000000"},
		{raw: "0047 22000000", region: "NO", want: "+4722000000"},
		{raw: "tel:+47-2200-0000", region: "NO", want: "+4722000000"},
		{raw: "tel:+47-2200-0000", region: "", want: "+4722000000"},
		{raw: "٢٢٠٠٠٠٠٠", region: "NO", want: "+4722000000"},
		{raw: "+٤٧٢٢٠٠٠٠٠٠", region: "", want: "+4722000000"},
		{raw: "'22000000", region: "NO", want: "+4722000000"},
		{raw: "＋47 22 00 00 00", region: "", want: "+4722000000"},
		{raw: "+44 (0)20 7946 0958", region: "GB", want: "+442079460958"},
		{raw: "+47 (0) 22 00 00 00", region: "NO", err: ErrNotNumber},
		{raw: "06 698 12345", region: "IT", want: "+390669812345"},
		{raw: "415-555-2671 x123", region: "US", want: "+14155552671", ext: "123"},
		{raw: "+14155552671;ext=123", region: "", want: "+14155552671", ext: "123"},
		{raw: "1-800-FLOWERS", region: "US", want: "+18003569377", service: true},
		{raw: "+1 900 555 0123", region: "US", want: "+19005550123", service: true},
		{raw: "4101", region: "NO", err: ErrNotNumber},
		{raw: "911", region: "US", err: ErrNotNumber},
		{raw: "112", region: "NO", err: ErrNotNumber},
		{raw: "+52 1 55 1234 5678", region: "MX", err: ErrNotNumber},
		{raw: "22000000 / 33000000", region: "NO", err: ErrNotNumber},
		{raw: "22000000, 33000000", region: "NO", err: ErrNotNumber},
		{raw: "22000000; 33000000", region: "NO", err: ErrNotNumber},
		{raw: "22000000 or 33000000", region: "NO", err: ErrNotNumber},
		{raw: "+4722000000 +4722000001", region: "NO", err: ErrNotNumber},
		{raw: "+4722000000\n+4722000001", region: "NO", err: ErrNotNumber},
		{raw: "030/12345678", region: "DE", want: "+493012345678"},
		{raw: "22000000", region: "", err: ErrNoCountry},
		{raw: "", region: "NO", err: ErrNotNumber},
		{raw: "reception", region: "NO", err: ErrNotNumber},
		{raw: strings.Repeat("1", 200), region: "NO", err: ErrNotNumber},
	} {
		t.Run(c.raw+" "+c.region, func(t *testing.T) {
			n, err := Normalise(c.raw, c.region)
			if !errors.Is(err, c.err) || n.E164 != c.want || n.Extension != c.ext {
				t.Fatalf("got %+v, %v; want %s ext %q, %v", n, err, c.want, c.ext, c.err)
			}
			if n.Raw != c.raw {
				t.Errorf("the raw text became %q", n.Raw)
			}
			if err == nil && n.Subscriber == c.service {
				t.Errorf("subscriber %v", n.Subscriber)
			}
		})
	}
}

// Countries come as codes in any case or as names; nothing else is guessed.
func TestCountry(t *testing.T) {
	for text, want := range map[string]string{
		"no": "NO", "NO": "NO", " gb ": "GB", "Norway": "NO", "NORWAY": "NO", "united  kingdom": "GB", "Germany": "DE",
		"Czech Republic": "CZ", "Bosnia and Herzegovina": "BA", "Côte d'Ivoire": "CI", "Saint Lucia": "LC", "TÜRKIYE": "TR", "Hong Kong SAR": "HK",
		"047": "", "": "", "Norge i Norden": "", "XX": "", "N": "", "NOR": "",
	} {
		if got, ok := Country(text); ok != (want != "") || ok && got != want {
			t.Errorf("Country(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"22 00 00 00", "tel:+47-2200-0000", "+44 (0)20 7946 0958", "1-800-FLOWERS", "٢٢", "+;ext=", "a/b", "\xff+47"} {
		f.Add(s, "NO")
	}
	f.Fuzz(func(t *testing.T, raw, region string) {
		n, err := Normalise(raw, region)
		if err != nil {
			if n.E164 != "" || !errors.Is(err, ErrNotNumber) && !errors.Is(err, ErrNoCountry) {
				t.Fatalf("%+v with error %v", n, err)
			}
			return
		}
		if !e164Prefix.MatchString(n.E164) {
			t.Fatalf("%q became %q", raw, n.E164)
		}
		again, err := Normalise(n.E164, "")
		if err != nil || again.E164 != n.E164 {
			t.Fatalf("%q is not stable: %+v, %v", n.E164, again, err)
		}
	})
}

// Every name is its own key and leads to a country that numbers know.
func TestCountryNames(t *testing.T) {
	for name, code := range countryNames {
		if got, ok := Country(name); !ok || got != code || foldText(name) != name {
			t.Errorf("%q gives %q, %v; want %q", name, got, ok, code)
		}
		if back, ok := Country(code); !ok || back != code {
			t.Errorf("%s (%s) is no region of phone numbers", code, name)
		}
	}
}
