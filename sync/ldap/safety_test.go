package ldap

import (
	"bytes"
	"errors"
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

	for name, change := range map[string]func(*Config){
		"no authority": func(c *Config) { c.CA = "" },
		"wrong name":   func(c *Config) { c.URL[0] = strings.Replace(c.URL[0], "127.0.0.1", "127.0.0.2", 1) },
		"StartTLS without authority": func(x *Config) {
			x.URL, x.StartTLS, x.CA = URLs{c.URL()}, true, ""
		},
		"missing CA file": func(c *Config) { c.CA = "file:/nonexistent/ca.pem" },
	} {
		cfg := good
		cfg.URL = append(URLs{}, good.URL...)
		change(&cfg)
		sink := &sourcetest.Collector{}
		if _, err := newSource(t, cfg, Options{}).Full(ctxFor(t), sync.Cursor{}, sink); err == nil || sink.Pages() > 0 {
			t.Errorf("%s: Full succeeded", name)
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
	if !errors.Is(err, sync.ErrAuth) {
		t.Errorf("wrong password: %v, want ErrAuth", err)
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
	gone.People.Base = "ou=nowhere," + ldaptest.Suffix
	foreign := slapdConfig(t, c.Slapd)
	foreign.People.Base = "ou=people,dc=other,dc=org"
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
