package events

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/safedial"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Config is the events part of a configuration: who is told of changes. The
// zero value tells nobody. Its sinks hear of every workspace; each event names
// its own.
type Config struct {
	Webhooks []Webhook `yaml:"webhooks"`
	Streams  []Stream  `yaml:"streams"`
	// SigningKey is the private P-256 key of security event tokens, PEM.
	SigningKey secret.Ref `yaml:"signing_key"`
	// AllowPrivateNetworks are CIDRs of receivers on one's own network (SS1).
	AllowPrivateNetworks []string `yaml:"allow_private_networks"`
}

// Webhook is a receiver of Standard Webhooks.
type Webhook struct {
	ID  string `yaml:"id"`
	URL string `yaml:"url"`
	// Secret signs; two of them sign side by side while the secret is
	// rotated, so that the receiver may check either (WH1).
	Secret Secrets `yaml:"secret"`
	// Types are event types, or a noun with .*; nil is all of them.
	Types []string `yaml:"types"`
	// Verify is asked whether a leaver's sessions are gone (T4): {member}
	// stands for the member's id. "" asks nobody.
	Verify string `yaml:"verify"`
}

// Stream is a receiver of security event tokens (RFC 8417).
type Stream struct {
	ID       string `yaml:"id"`
	Deliver  string `yaml:"deliver"` // push (RFC 8935) or poll (RFC 8936)
	URL      string `yaml:"url"`     // push only
	Audience string `yaml:"audience"`
	// Authorization is what we present when we push, the whole header or a
	// bearer token; and the bearer token a poller presents to us.
	Authorization secret.Ref `yaml:"authorization"`
	Send          []string   `yaml:"send"` // caep, scim; nil is both
}

// Secrets are one secret or, while it is rotated, two: file:a or [file:a,
// file:b].
type Secrets []secret.Ref

// OneOrMore says that a single value may stand for a list of one.
func (Secrets) OneOrMore() {}

// What a stream sends, and how.
const (
	deliverPush = "push"
	deliverPoll = "poll"
	sendCAEP    = "caep"
	sendSCIM    = "scim"
)

// KeyError is one thing wrong with the configuration, by its key.
type KeyError struct{ Path, Text string }

// Error gives key and text.
func (e *KeyError) Error() string { return e.Path + ": " + e.Text }

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// types names the event types of the outbox (WH3).
var types = func() (names []string) {
	for _, t := range workspace.EventTypes() {
		names = append(names, t.Name)
	}
	return names
}()

// Validate gives every problem as a *KeyError, with paths from "events" on;
// nil if there is none. It reads no secret and asks no name server.
func (c *Config) Validate() []error {
	j := &judge{seen: map[string]bool{}}
	allowed, bad := parseNetworks(c.AllowPrivateNetworks)
	for i, text := range bad {
		j.addf(fmt.Sprintf("events.allow_private_networks[%d]", i), "%q is no network: write it as 10.1.0.0/16", text)
	}
	guard := safedial.New(safedial.Options{Allowed: allowed})
	for i := range c.Webhooks {
		j.webhook(fmt.Sprintf("events.webhooks[%d]", i), &c.Webhooks[i], guard)
	}
	for i := range c.Streams {
		j.stream(fmt.Sprintf("events.streams[%d]", i), &c.Streams[i], guard)
	}
	j.ref("events.signing_key", c.SigningKey)
	if len(c.Streams) > 0 && c.SigningKey.IsZero() {
		j.addf("events.signing_key", "is missing: streams send signed tokens; make one with `openssl ecparam -genkey -name prime256v1 -noout` "+
			"and write file:PATH of it")
	}
	return j.errs
}

type judge struct {
	errs []error
	seen map[string]bool
}

func (j *judge) addf(path, format string, args ...any) {
	j.errs = append(j.errs, &KeyError{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (j *judge) ref(path string, r secret.Ref) {
	if err := r.Validate(path); err != nil {
		j.addf(path, "%s", strings.TrimPrefix(err.Error(), path+": "))
	}
}

func (j *judge) id(path, id string) {
	switch {
	case id == "":
		j.addf(path, "is missing: give a short name that never changes, such as phone")
	case !idPattern.MatchString(id):
		j.addf(path, "%q is no id: use lower-case letters, digits, - and _, at most 63", id)
	case j.seen[id]:
		j.addf(path, "%q stands twice: webhooks and streams share their names", id)
	}
	j.seen[id] = true
}

func (j *judge) url(path, raw string, guard *safedial.Guard) {
	if raw == "" {
		j.addf(path, "is missing: write the https URL of the receiver")
		return
	}
	if _, err := guard.CheckURL(raw); err != nil {
		j.addf(path, "%v; a receiver on your own network is named in events.allow_private_networks", err)
	}
}

func (j *judge) webhook(path string, w *Webhook, guard *safedial.Guard) {
	j.id(path+".id", w.ID)
	j.url(path+".url", w.URL, guard)
	for i, r := range w.Secret {
		j.ref(fmt.Sprintf("%s.secret[%d]", path, i), r)
	}
	switch n := len(w.Secret); {
	case n == 0:
		j.addf(path+".secret", "is missing: write file:PATH of a secret such as whsec_ and base64 of 32 random bytes")
	case n > 2:
		j.addf(path+".secret", "has %d entries: one, or two while it is rotated", n)
	}
	if w.Types != nil && len(w.Types) == 0 {
		j.addf(path+".types", "is empty: nothing would be sent; leave it out for all types")
	}
	for i, pattern := range w.Types {
		noun, all := strings.CutSuffix(pattern, ".*")
		if pattern != "*" && !slices.ContainsFunc(types, func(t string) bool { return t == pattern || all && strings.HasPrefix(t, noun+".") }) {
			j.addf(fmt.Sprintf("%s.types[%d]", path, i), "no event has type %q: use one of %s, or a noun such as member.*", pattern, strings.Join(types, ", "))
		}
	}
	if w.Verify == "" {
		return
	}
	if strings.Count(w.Verify, "{member}") != 1 {
		j.addf(path+".verify", "needs {member} once, where the member's id goes")
		return
	}
	j.url(path+".verify", strings.Replace(w.Verify, "{member}", "0", 1), guard)
}

func (j *judge) stream(path string, s *Stream, guard *safedial.Guard) {
	j.id(path+".id", s.ID)
	j.ref(path+".authorization", s.Authorization)
	switch s.Deliver {
	case deliverPush:
		j.url(path+".url", s.URL, guard)
	case deliverPoll:
		if s.URL != "" {
			j.addf(path+".url", "a polling receiver calls us: remove the key, or write deliver: push")
		}
		if s.Authorization.IsZero() {
			j.addf(path+".authorization", "is missing: write file:PATH of the token that the receiver presents")
		}
	default:
		j.addf(path+".deliver", "%q is neither push nor poll", s.Deliver)
	}
	if u, err := url.Parse(s.Audience); s.Audience == "" || err != nil || u.String() != s.Audience {
		j.addf(path+".audience", "is missing or no URI: write how the receiver names itself, such as https://siem.acme.com")
	}
	if s.Send != nil && len(s.Send) == 0 {
		j.addf(path+".send", "is empty: nothing would be sent; leave it out for caep and scim")
	}
	for i, name := range s.Send {
		if name != sendCAEP && name != sendSCIM {
			j.addf(fmt.Sprintf("%s.send[%d]", path, i), "%q is neither caep nor scim", name)
		}
	}
}

// Under takes relative paths of secrets from a folder, normally the
// configuration file's.
func (c *Config) Under(dir string) {
	c.SigningKey = c.SigningKey.Under(dir)
	for i := range c.Webhooks {
		for k, ref := range c.Webhooks[i].Secret {
			c.Webhooks[i].Secret[k] = ref.Under(dir)
		}
	}
	for i := range c.Streams {
		c.Streams[i].Authorization = c.Streams[i].Authorization.Under(dir)
	}
}

// SCIMEventURIs are the SCIM events that the configured streams send; nil when
// none sends any (ST3).
func (c *Config) SCIMEventURIs() []string {
	for i := range c.Streams {
		if c.Streams[i].sends(sendSCIM) {
			return scimEventURIs()
		}
	}
	return nil
}

// sends reports whether a stream sends events of a profile.
func (s *Stream) sends(profile string) bool { return s.Send == nil || slices.Contains(s.Send, profile) }

// parseNetworks reads CIDRs or single addresses; bad ones come by their place.
func parseNetworks(texts []string) (networks []netip.Prefix, bad map[int]string) {
	bad = map[int]string{}
	for i, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			networks = append(networks, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			bad[i] = text
			continue
		}
		networks = append(networks, p.Masked())
	}
	return networks, bad
}

// The bytes of a webhook's secret (WH1).
const (
	minSecret = 24
	maxSecret = 64
)

// secretBytes reads a secret as Standard Webhooks writes it: whsec_ and
// base64. The error does not show it.
func secretBytes(v secret.Value) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(v.Reveal(), "whsec_"))
	if err != nil {
		return nil, fmt.Errorf("a webhook secret is whsec_ and base64 of %d to %d random bytes: it is no base64", minSecret, maxSecret)
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return nil, fmt.Errorf("a webhook secret has %d to %d bytes, this one %d", minSecret, maxSecret, len(key))
	}
	return key, nil
}
