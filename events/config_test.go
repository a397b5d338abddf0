package events

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

func ref(t *testing.T, text string) secret.Ref {
	t.Helper()
	r, err := secret.ParseRef(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestValidate: one fault at a time in a sound configuration, named by its key.
func TestValidate(t *testing.T) {
	t.Parallel()
	sound := func() Config {
		return Config{
			Webhooks: []Webhook{{
				ID: "phone", URL: "https://hooks.phone.acme.com/rollcall", Secret: Secrets{ref(t, "env:A"), ref(t, "env:B")},
				Types: []string{"member.*", "session.revoked", "*"}, Verify: "https://hooks.phone.acme.com/members/{member}",
			}},
			Streams: []Stream{
				{ID: "siem", Deliver: deliverPush, URL: "https://siem.acme.com/sets", Audience: "https://siem.acme.com", Send: []string{sendCAEP}},
				{ID: "poller", Deliver: deliverPoll, Audience: "urn:acme:siem", Authorization: ref(t, "env:C")},
			},
			SigningKey: ref(t, "env:K"), AllowPrivateNetworks: []string{"10.1.0.0/16", "::1", "127.0.0.1"},
		}
	}
	c := sound()
	if errs := c.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, x := range map[string]struct {
		change func(c *Config)
		path   string
	}{
		"no id":              {func(c *Config) { c.Webhooks[0].ID = "" }, "events.webhooks[0].id"},
		"capital id":         {func(c *Config) { c.Webhooks[0].ID = "Phone" }, "events.webhooks[0].id"},
		"one name twice":     {func(c *Config) { c.Streams[0].ID = "phone" }, "events.streams[0].id"},
		"no URL":             {func(c *Config) { c.Webhooks[0].URL = "" }, "events.webhooks[0].url"},
		"plain http":         {func(c *Config) { c.Webhooks[0].URL = "http://hooks.acme.com/" }, "events.webhooks[0].url"},
		"metadata":           {func(c *Config) { c.Webhooks[0].URL = "https://169.254.169.254/" }, "events.webhooks[0].url"},
		"user information":   {func(c *Config) { c.Webhooks[0].URL = "https://a:b@hooks.acme.com/" }, "events.webhooks[0].url"},
		"no secret":          {func(c *Config) { c.Webhooks[0].Secret = nil }, "events.webhooks[0].secret"},
		"three secrets":      {func(c *Config) { c.Webhooks[0].Secret = append(c.Webhooks[0].Secret, ref(t, "env:D")) }, "events.webhooks[0].secret"},
		"no types":           {func(c *Config) { c.Webhooks[0].Types = []string{} }, "events.webhooks[0].types"},
		"unknown type":       {func(c *Config) { c.Webhooks[0].Types[1] = "session.*ed" }, "events.webhooks[0].types[1]"},
		"half a noun":        {func(c *Config) { c.Webhooks[0].Types[1] = "mem.*" }, "events.webhooks[0].types[1]"},
		"verify nobody":      {func(c *Config) { c.Webhooks[0].Verify = "https://hooks.acme.com/" }, "events.webhooks[0].verify"},
		"verify in the list": {func(c *Config) { c.Webhooks[0].Verify = "http://10.2.0.1/{member}" }, "events.webhooks[0].verify"},
		"no way":             {func(c *Config) { c.Streams[0].Deliver = "" }, "events.streams[0].deliver"},
		"push nowhere":       {func(c *Config) { c.Streams[0].URL = "" }, "events.streams[0].url"},
		"poll with a URL":    {func(c *Config) { c.Streams[1].URL = "https://siem.acme.com" }, "events.streams[1].url"},
		"poll by anybody":    {func(c *Config) { c.Streams[1].Authorization = secret.Ref{} }, "events.streams[1].authorization"},
		"no audience":        {func(c *Config) { c.Streams[0].Audience = "" }, "events.streams[0].audience"},
		"sends nothing":      {func(c *Config) { c.Streams[0].Send = []string{} }, "events.streams[0].send"},
		"no key":             {func(c *Config) { c.SigningKey = secret.Ref{} }, "events.signing_key"},
		"no network":         {func(c *Config) { c.AllowPrivateNetworks[0] = "10.1" }, "events.allow_private_networks[0]"},
	} {
		c := sound()
		x.change(&c)
		errs := c.Validate()
		var key *KeyError
		if len(errs) != 1 || !errors.As(errs[0], &key) || key.Path != x.path {
			t.Errorf("%s: %v, want one fault of %s", name, errs, x.path)
		}
	}
}

func TestSecretBytes(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		testSecret: true, strings.TrimPrefix(testSecret, "whsec_"): true, "whsec_AAAA": false, "whsec_%%%": false, "": false,
		"whsec_" + strings.Repeat("AAAA", 22): false,
	} {
		_, err := secretBytes(secret.New(text))
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && len(text) > 12 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

// TestNewReadsSecrets: a missing secret or key is known at the start, all of
// them at once.
func TestNewReadsSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/test.db")
	c := Config{
		Webhooks:   []Webhook{{ID: "a", URL: "https://hooks.acme.com", Secret: Secrets{secretFile(t, "hunter2")}}},
		Streams:    []Stream{{ID: "b", Deliver: deliverPoll, Audience: "urn:b", Authorization: ref(t, "file:/nowhere/at/all")}},
		SigningKey: secretFile(t, "no key"),
	}
	_, err := New(Options{Store: w.store, Config: c})
	for _, path := range []string{"events.webhooks[0].secret", "events.streams[0].authorization", "events.signing_key"} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v does not name %s", err, path)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Error("the error shows a secret (FT17)")
	}
	if _, err := New(Options{}); err == nil {
		t.Error("New without a store")
	}
}

// TestSCIMEventURIs: only what a configured stream sends is promised (ST3).
func TestSCIMEventURIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		send [][]string
		want bool
	}{{nil, false}, {[][]string{{"caep"}}, false}, {[][]string{{"caep"}, {"scim"}}, true}, {[][]string{nil}, true}} {
		var config Config
		for _, send := range c.send {
			config.Streams = append(config.Streams, Stream{Send: send})
		}
		if got := len(config.SCIMEventURIs()) > 0; got != c.want {
			t.Errorf("%v: promised %v, want %v", c.send, got, c.want)
		}
	}
}
