package ldap

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/ldaptest"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

func fileRef(t *testing.T, path string) secret.Ref {
	t.Helper()
	ref, err := secret.ParseRef("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// LM11: TLS with the right authority and name only; StartTLS and client
// certificates; a rotated secret without a restart.
func TestConnectionSafety(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 1)
	good := slapdConfig(t, c.Slapd)
	good.URL, good.CA = URLs{c.TLSURL()}, "file:"+c.CAFile
	full(t, newSource(t, good, Options{}))

	starttls := good
	starttls.URL, starttls.StartTLS = URLs{c.URL()}, true
	full(t, newSource(t, starttls, Options{}))

	external := good
	external.BindDN, external.BindPassword = "", secret.Ref{}
	external.ClientCert, external.ClientKey = "file:"+c.ClientCertFile, fileRef(t, c.ClientKey)
	full(t, newSource(t, external, Options{}))

	for name, tt := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no authority": {func(c *Config) { c.CA = "" }, "name who signed it with ca: file:/PATH"},
		"wrong authority": {func(x *Config) {
			x.CA = "file:" + newCompany(t, ldaptest.SlapdOptions{}, 0).CAFile
		}, "ca does not name who signed it"},
		"wrong name": {func(c *Config) { c.URL[0] = strings.Replace(c.URL[0], "127.0.0.1", "127.0.0.2", 1) }, "check host and port in url"},
		"StartTLS without authority": {func(x *Config) {
			x.URL, x.StartTLS, x.CA = URLs{c.URL()}, true, ""
		}, "name who signed it with ca: file:/PATH"},
		"missing CA file":       {func(c *Config) { c.CA = "file:/nonexistent/ca.pem" }, "name a file that this user may read"},
		"a CA file without PEM": {func(x *Config) { x.CA = "file:" + c.KeyFile }, "the file holds no certificate in PEM"},
		"TLS at the plain port": {func(x *Config) { x.URL = URLs{strings.Replace(c.URL(), "ldap:", "ldaps:", 1)} }, "the server speaks no TLS here"},
		"plain at the TLS port": {func(x *Config) {
			x.URL, x.CA = URLs{strings.Replace(c.TLSURL(), "ldaps:", "ldap:", 1)}, ""
		}, "write ldaps:// into url"},
		"nobody listens": {func(x *Config) { x.URL = URLs{"ldaps://127.0.0.1:1"} }, "check host and port in url"},
		"no such host":   {func(x *Config) { x.URL = URLs{"ldaps://nosuch.invalid"} }, "check the host in url"},
	} {
		cfg := good
		cfg.URL = append(URLs{}, good.URL...)
		tt.change(&cfg)
		sink := &sourcetest.Collector{}
		_, err := newSource(t, cfg, Options{}).Full(ctxFor(t), sync.Cursor{}, sink)
		if err == nil || sink.Pages() > 0 {
			t.Errorf("%s: Full succeeded", name)
		} else if !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// LC7: the password is in no error and no log, right or wrong.
func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 1)
	var log bytes.Buffer
	cfg := slapdConfig(t, c.Slapd)
	cfg.BindPassword = secretFile(t, "wrong-canary-7261")
	s := newSource(t, cfg, Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	_, err := s.Full(ctxFor(t), sync.Cursor{}, &sourcetest.Collector{})
	if !errors.Is(err, sync.ErrAuth) || !strings.Contains(err.Error(), "check bind_dn and bind_password") {
		t.Errorf("wrong password: %v, want ErrAuth and its keys", err)
	}
	_, checkErr := s.Check(ctxFor(t))
	_, getErr := s.Get(ctxFor(t), "00000000-0000-4000-8000-000000000001")
	for _, text := range []string{err.Error(), checkErr.Error(), getErr.Error(), log.String()} {
		if strings.Contains(text, "canary") || strings.Contains(text, ldaptest.ReaderPW) {
			t.Errorf("LC7: the password is shown: %s", text)
		}
	}
	// A rotated secret is used at once.
	path := strings.TrimPrefix(cfg.BindPassword.String(), "file:")
	if err := os.WriteFile(path, []byte(ldaptest.ReaderPW), 0o600); err != nil {
		t.Fatal(err)
	}
	full(t, s)
	if err := os.WriteFile(path, []byte("wrong again"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TellTale(ctxFor(t)); !errors.Is(err, sync.ErrAuth) {
		t.Errorf("a changed secret is not used: %v", err)
	}
}

// LC1, LC5, FT06: a server that is killed or hangs is an error in time, and
// the source works again afterwards.
func TestServerKilledAndFrozen(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 8)
	cfg := slapdConfig(t, c.Slapd)
	cfg.Timeouts = Timeouts{Bind: 1500 * time.Millisecond, Idle: 1500 * time.Millisecond}
	s := newSource(t, cfg, Options{})
	_, cursor := full(t, s)
	for name, trouble := range map[string]func(){"killed": c.Kill, "frozen": c.Freeze} {
		sink := &sourcetest.Collector{OnPage: func(n int, _ sync.Page) error {
			if n == 1 {
				trouble()
			}
			return nil
		}}
		began := time.Now()
		_, err := s.Full(ctxFor(t), sync.Cursor{}, sink)
		if err == nil || len(sink.Proofs()) != 0 {
			t.Errorf("%s in the middle: error %v, proofs %v", name, err, sink.Proofs())
		}
		if _, err := s.Delta(ctxFor(t), cursor, &sourcetest.Collector{}); err == nil {
			t.Errorf("%s: Delta succeeded", name)
		}
		if err := s.Sweep(ctxFor(t), &sourcetest.Collector{}); err == nil {
			t.Errorf("%s: Sweep succeeded", name)
		}
		if _, err := s.TellTale(ctxFor(t)); err == nil {
			t.Errorf("%s: TellTale succeeded", name)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: all of it took %s", name, took)
		}
		if name == "killed" {
			c.Start()
		} else {
			c.Thaw()
		}
		full(t, s)
	}
}

// LP6, LP7, RD8: limits, lost branches, wrong bases and other servers are
// incomplete, never empty.
func TestIncompleteReads(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 8)
	limited := newCompany(t, ldaptest.SlapdOptions{Limits: `limits dn.exact="` + ldaptest.Reader + `" size.soft=2 size.hard=2 size.pr=2`}, 8)
	gone := slapdConfig(t, c.Slapd)
	gone.People.Base, gone.Sentinel = "ou=nowhere,"+ldaptest.Suffix, ""
	foreign := slapdConfig(t, c.Slapd)
	foreign.People.Base, foreign.Sentinel = "ou=people,dc=other,dc=org", ""
	for name, cfg := range map[string]Config{
		"LP7 size limit": slapdConfig(t, limited.Slapd), "LP6 base gone": gone, "RD8 other naming context": foreign,
	} {
		sink := &sourcetest.Collector{}
		_, err := newSource(t, cfg, Options{}).Full(ctxFor(t), sync.Cursor{}, sink)
		var incomplete *sync.IncompleteError
		if !errors.As(err, &incomplete) || len(sink.Proofs()) != 0 {
			t.Errorf("%s: %v, want IncompleteError", name, err)
		}
	}
	pinned := newSource(t, slapdConfig(t, c.Slapd), Options{Tenant: "11111111-2222-4333-8444-555555555555"})
	if _, err := pinned.Full(ctxFor(t), sync.Cursor{}, &sourcetest.Collector{}); !errors.Is(err, sync.ErrTenantMismatch) {
		t.Errorf("RD8: %v, want ErrTenantMismatch", err)
	}
	// RD5: a lost branch leaves others visible; the sentinel tells, in a delta
	// before any group is read, since its members would look lost.
	c.group("team", personDN("p00"))
	s := newSource(t, slapdConfig(t, c.Slapd), Options{})
	_, cursor := full(t, s)
	c.Access(`to dn.exact="`+probeDN+`" by * none`, `to * by dn.exact="`+ldaptest.Reader+`" read by anonymous auth`)
	sink := &sourcetest.Collector{}
	_, err := newSource(t, slapdConfig(t, c.Slapd), Options{}).Full(ctxFor(t), sync.Cursor{}, sink)
	if err == nil || len(sink.Proofs()) != 0 || len(sink.Groups()) != 0 {
		t.Errorf("RD5: %v, proofs %v", err, sink.Proofs())
	}
	sink = &sourcetest.Collector{}
	var blind *sync.IncompleteError
	if _, err := s.Delta(ctxFor(t), cursor, sink); !errors.As(err, &blind) || len(sink.Groups()) != 0 {
		t.Errorf("RD5: Delta without the sentinel: %v, groups %v", err, sink.Groups())
	}
	// LM1: without a readable id the source refuses.
	c.Access(`to attrs=entryUUID by * none`, `to * by dn.exact="`+ldaptest.Reader+`" read by anonymous auth`)
	if _, err := newSource(t, slapdConfig(t, c.Slapd), Options{}).Full(ctxFor(t), sync.Cursor{}, &sourcetest.Collector{}); err == nil {
		t.Error("LM1: people without ids were accepted")
	}
}

func TestCheckOnSlapd(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 3)
	c.group("team", personDN("p00"))
	s := newSource(t, slapdConfig(t, c.Slapd), Options{})
	p, err := s.Check(ctxFor(t))
	if err != nil {
		t.Fatal(err)
	}
	if p.People != 4 || p.Groups != 1 || p.Tenant == "" || len(p.Rights) < 6 {
		t.Errorf("probe %+v", p)
	}
	for _, r := range p.Rights {
		if !r.Granted {
			t.Errorf("right %+v", r)
		}
	}
	c.Access(`to attrs=mail by * none`, `to attrs=member by * none`, `to dn.exact="`+probeDN+`" by * none`,
		`to * by dn.exact="`+ldaptest.Reader+`" read by anonymous auth`)
	if p, err = s.Check(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, r := range p.Rights {
		missing[r.Need] = !r.Granted
	}
	for _, need := range []string{"read mail", "read member", "read the sentinel " + probeDN} {
		if !missing[need] {
			t.Errorf("Check does not name %q: %+v", need, p.Rights)
		}
	}
}

// A base or filter that is wrong is named as such beside the right that may
// lack.
func TestCheckNamesTheKey(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 3)
	c.group("team", personDN("p00"))
	for name, tt := range map[string]struct {
		change    func(*Config)
		why, then string
	}{
		"people.base": {func(c *Config) { c.People.Base, c.Sentinel = "ou=peple,"+ldaptest.Suffix, "" }, "below people.base ou=peple,", "if people.base is right: "},
		"filter":      {func(c *Config) { c.People.Filter = "(objectClass=nothing)" }, "check people.base and people.filter", "if people is right: "},
		"groups.base": {func(c *Config) { c.Groups.Base = "ou=grups," + ldaptest.Suffix }, "below groups.base ou=grups,", "if groups.base is right: "},
		"sentinel":    {func(c *Config) { c.Sentinel = personDN("nobody") }, "the sentinel " + personDN("nobody"), "if sentinel is right: "},
	} {
		cfg := slapdConfig(t, c.Slapd)
		tt.change(&cfg)
		p, err := newSource(t, cfg, Options{}).Check(ctxFor(t))
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, r := range p.Rights {
			said = said || !r.Granted && strings.Contains(r.Why, tt.why) && strings.HasPrefix(r.Remedy, tt.then)
		}
		if !said {
			t.Errorf("%s: %+v", name, p.Rights)
		}
	}
}

// What the real servers of these tests do not show: a certificate that has
// expired, or bears another name.
func TestRemedyForCertificates(t *testing.T) {
	t.Parallel()
	s := newSource(t, Config{URL: URLs{"file:x.ldif"}, People: Branch{Base: "dc=acme"}}, Options{})
	for says, err := range map[string]error{
		"write the name that the certificate bears into url": x509.HostnameError{Certificate: &x509.Certificate{}, Host: "dc1"},
		"renew the server's certificate":                     x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired},
	} {
		if got := s.dialRemedy("ldaps://dc1", fmt.Errorf("TLS: %w", err)); !strings.Contains(got, says) {
			t.Errorf("%v: %q, want %q", err, got, says)
		}
	}
}

// Of several servers "test connection" tries each: the one that is needed when
// another is away is found wanting before that day.
func TestCheckTriesEveryServer(t *testing.T) {
	t.Parallel()
	c := newCompany(t, ldaptest.SlapdOptions{}, 1)
	stranger := newCompany(t, ldaptest.SlapdOptions{}, 1)
	cfg := slapdConfig(t, c.Slapd)
	cfg.URL = URLs{"ldap://127.0.0.1:1", c.URL(), stranger.URL()}
	p, err := newSource(t, cfg, Options{}).Check(ctxFor(t))
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(p.Warnings, "\n")
	for _, want := range []string{"url[0]: ldap://127.0.0.1:1 cannot stand in for ", "url[2]: " + stranger.URL() + " is another directory than "} {
		if !strings.Contains(said, want) {
			t.Errorf("no warning %q in %q", want, p.Warnings)
		}
	}
	cfg.URL = URLs{c.URL(), c.URL()}
	if p, err = newSource(t, cfg, Options{}).Check(ctxFor(t)); err != nil || strings.Contains(strings.Join(p.Warnings, "\n"), "url[") {
		t.Errorf("one server twice: %q, %v", p.Warnings, err)
	}
}

// The command that gives a right is one that the server's tool takes: dsacls
// knows accounts by name, not by distinguished name.
func TestRemedyOnActiveDirectory(t *testing.T) {
	t.Parallel()
	for who, want := range map[string]string{
		"rollcall@acme.com":          `/G "rollcall@acme.com:GR"`,
		"CN=rollcall,DC=acme,DC=com": `/G "DOMAIN\ACCOUNT:GR" with the account of CN=rollcall,DC=acme,DC=com`,
		`ACME\rollcall`:              `/G "ACME\rollcall:GR"`,
	} {
		c := &checkup{reader: &reader{Source: &Source{cfg: Config{BindDN: who}}, plan: plan{flavor: AD}}}
		if got := c.remedy("OU=people,DC=acme,DC=com"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", who, got)
		}
	}
}
