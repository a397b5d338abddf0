package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// This file has sign-ins, liveness and signals.

func isNotFound(err error) bool { return errors.Is(err, workspace.ErrNotFound) }

// signInAs lets somebody sign in; a nil person is a stranger with an address
// on the claimed domain.
func (s *sequence) signInAs(p *seqPerson) {
	s.made++
	who, sid := openIDCode{person: fmt.Sprintf("stranger-%d", s.made), email: "stranger@acme.com", sid: fmt.Sprintf("sid-%d", s.made)}, "a stranger"
	if p != nil {
		who.person, who.email, sid = p.id, p.name+"@acme.com", p.name
	}
	asked := p != nil && p.dir.may&silence != 0
	landed, err := s.visit(&who)
	var row store.SessionRow
	began := false
	if !s.crashed() {
		verr := s.view(func(r *store.Reader) (err error) {
			row, err = r.LastSession("sso", who.person)
			if isNotFound(err) {
				return nil
			}
			began = err == nil && row.SID == who.sid
			return err
		})
		s.must(verr)
	}
	s.say("%s signs in: %v (%s, %v)", sid, began, landed, err)
	if p == nil {
		if began {
			s.fatal("a stranger is signed in")
		}
		return
	}
	sure := p.dir.may == yes && p.push.may&no == 0 && p.active
	if asked { // who is not known is looked for in the directory
		p.dir.perhaps(truth(s.fake, p))
	}
	switch {
	case began:
		s.sessions = append(s.sessions, &seqSession{id: row.ID, sid: who.sid, person: p, expires: row.ExpiresAt.Time(), unsure: p.mayBeNo()})
	case sure && !s.crashed():
		s.fatal("%s cannot sign in: %s", p.said(), landed)
	}
}

// visit is the browser's way: to the provider, and back with a code.
func (s *sequence) visit(who *openIDCode) (landed string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: noRedirects.CheckRedirect}
	get := func(at string) (status, to string, err error) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, at, nil)
		if err != nil {
			return "", "", err
		}
		res, err := browser.Do(req)
		if err != nil {
			return "", "", err
		}
		return res.Status, res.Header.Get("Location"), res.Body.Close()
	}
	status, at, err := get(s.door.URL + "/signin/sso")
	if err != nil || at == "" {
		return status, err
	}
	to, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	who.nonce = to.Query().Get("nonce")
	back := url.Values{"state": {to.Query().Get("state")}, "code": {s.open.shows(*who)}, "iss": {s.open.URL}}
	status, at, err = get(s.door.URL + "/signin/sso/callback?" + back.Encode())
	return status + " " + at, err
}

// liveness asks the provider about everybody whose turn it is.
func (s *sequence) liveness() {
	s.fake.Wind(16 * time.Minute)
	trouble := ""
	p := s.one()
	switch rapid.IntRange(0, 3).Draw(s.t, "answer") {
	case 0:
		trouble = rapid.SampledFrom(slices.Sorted(maps.Keys(openIDTroubles))).Draw(s.t, "trouble")
		s.open.breaks(openIDTroubles[trouble])
		s.say("liveness: the provider is in trouble: %s", trouble)
	case 1:
		s.open.says(p.id, true, false)
		s.say("liveness: no new token for %s", p.name)
	case 2:
		s.open.says(p.id, false, true)
		s.say("liveness: UserInfo refuses %s", p.name)
	default:
		s.say("liveness: everybody is asked about")
	}
	n, err := s.engine.AskAlive(context.Background(), sync.Watched{Workspace: "acme", Connection: "sso", Asker: s.provider, Every: s.sso.Liveness.Every, Ends: true})
	s.open.breaks(nil)
	s.open.says(p.id, false, false)
	s.say("liveness: %d asked about, %s", n, brief(err))
	if trouble != "" {
		return // and nobody may have lost a session
	}
	if s.crashed() {
		s.ends(p, false)
		return
	}
	var grant store.GrantRow
	s.must(s.view(func(r *store.Reader) (err error) {
		if grant, err = r.Grant("sso", p.id); isNotFound(err) {
			return nil
		}
		return err
	}))
	if grant.Verdict == string(workspace.EvidenceE3) {
		s.ends(p, true)
	}
	// Whose earlier question had been left without an answer is lost to E4;
	// a question that a crash cut short may have used a token up.
}

// The events of security event tokens.
const (
	setRevoked    = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	setCredential = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
	setDisabled   = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
	setPurged     = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
	setEnabled    = "https://schemas.openid.net/secevent/risc/event-type/account-enabled"
)

// otherKey signs what is not the provider's.
var otherKey = func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}()

// sentSet is a security event token that was taken.
type sentSet struct {
	text string
	made time.Time
}

// signal sends a security event token: a fresh one, one that came before, or
// a forged one.
func (s *sequence) signal() {
	if len(s.tokens) > 0 && rapid.IntRange(0, 4).Draw(s.t, "again") == 0 {
		x := rapid.SampledFrom(s.tokens).Draw(s.t, "token")
		status := s.sendSet(x.text)
		s.say("signal: a token comes again: %d", status)
		if young := s.fake.Now().Sub(x.made) < 7*24*time.Hour; young && status != http.StatusAccepted && !s.crashed() {
			s.fatal("a token that came before is not acknowledged: %d", status)
		}
		return
	}
	p := s.one()
	kind := rapid.SampledFrom([]string{setRevoked, setCredential, setDisabled, setDisabled, setPurged, setEnabled}).Draw(s.t, "event")
	at := s.fake.Now()
	if kind == setDisabled || kind == setPurged {
		if p.offAt.IsZero() || kind == setPurged && s.exists(p) {
			return // no provider says so of somebody who never was
		}
		at = p.offAt // perhaps long over by now
	}
	s.made++
	claims := map[string]any{
		"iss": s.open.URL, "iat": s.fake.Now().Unix(), "jti": fmt.Sprintf("set-%d", s.made), "aud": openIDClient,
		"sub_id": map[string]any{"format": "iss_sub", "iss": s.open.URL, "sub": p.id}, "events": map[string]any{kind: map[string]any{"event_timestamp": at.UnixMilli()}},
	}
	token := s.open.sign("secevent+jwt", claims)
	if rapid.IntRange(0, 4).Draw(s.t, "forged") == 0 {
		token = signed(otherKey, "secevent+jwt", claims)
		status := s.sendSet(token)
		s.say("signal: a forged %s about %s: %d", kind, p.name, status)
		if status != http.StatusBadRequest {
			s.fatal("a forged token: %d", status)
		}
		return
	}
	status := s.sendSet(token)
	s.say("signal: %s about %s, of %s: %d", kind, p.name, at.UTC().Format(time.TimeOnly), status)
	if status == http.StatusAccepted {
		s.tokens = append(s.tokens, sentSet{token, s.fake.Now()})
	} else if !s.crashed() {
		s.fatal("a signal: %d", status)
	}
	s.signalled(p, kind, status == http.StatusAccepted)
}

// signalled notes what a signal says: sessions end, and of somebody whom the
// directory has stated enabled a disabled account is an explicit no.
func (s *sequence) signalled(p *seqPerson, kind string, taken bool) {
	if kind == setEnabled {
		return
	}
	s.ends(p, taken && p.dir.may&silence == 0 && p.member != "")
	if kind != setDisabled && kind != setPurged {
		return
	}
	if taken && p.dir.may == yes && truth(s.fake, p) == no && p.member != "" {
		s.hears(&p.dir, no)
		return
	}
	p.dir.perhaps(no)
}

func (s *sequence) sendSet(token string) int {
	before := s.heardSignals()
	status, _ := s.post("POST", s.door.URL+"/v1/signals/sso", token, "application/secevent+jwt", "")
	if status == http.StatusAccepted {
		s.awaitAsk(before)
	}
	return status
}

// logout sends a logout token, of a session or of all of them.
func (s *sequence) logout() {
	if len(s.sessions) == 0 {
		return
	}
	x := rapid.SampledFrom(s.sessions).Draw(s.t, "session")
	one := rapid.Bool().Draw(s.t, "one session")
	s.made++
	now := s.fake.Now()
	claims := map[string]any{
		"iss": s.open.URL, "aud": openIDClient, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": fmt.Sprintf("logout-%d", s.made), "sub": x.person.id,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if one {
		claims["sid"] = x.sid
	}
	before := s.heardSignals()
	status, _ := s.post("POST", s.door.URL+"/signin/sso/backchannel", url.Values{"logout_token": {s.open.sign("logout+jwt", claims)}}.Encode(), "application/x-www-form-urlencoded", "")
	s.say("logout of %s, one session: %v: %d", x.person.name, one, status)
	taken := status == http.StatusOK
	if !taken && !s.crashed() {
		s.fatal("a logout token: %d", status)
	}
	if one {
		x.dead, x.unsure = x.dead || taken, true
		return
	}
	if taken {
		s.awaitAsk(before)
	}
	s.ends(x.person, taken)
}

// heardSignals is how many signals were taken, how many of them were about
// nobody, and how many questions they have raised.
type heardSignals struct {
	taken, unknown int64
	asked          int
}

func (s *sequence) heardSignals() (h heardSignals) {
	s.must(s.view(func(r *store.Reader) error {
		state, err := r.SignalState("sso")
		h.taken, h.unknown = state.Taken, state.Unknown
		return err
	}))
	s.mu.Lock()
	defer s.mu.Unlock()
	h.asked = len(s.asked)
	return h
}

// awaitAsk waits until the question that a signal about somebody known raises
// has been asked, which happens in the background.
func (s *sequence) awaitAsk(before heardSignals) {
	if s.crashed() {
		return
	}
	now := s.heardSignals()
	if now.taken == before.taken || now.unknown != before.unknown {
		return
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		s.mu.Lock()
		n := len(s.asked)
		s.mu.Unlock()
		if n > before.asked {
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.fatal("the directory is not asked about somebody whom a signal names")
}
