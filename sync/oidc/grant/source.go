package grant

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
)

// Method is how a client gets its token.
type Method string

// The methods.
const (
	SecretBasic   Method = "client_secret_basic"
	SecretPost    Method = "client_secret_post"
	PrivateKeyJWT Method = "private_key_jwt"
	GoogleJWT     Method = "google_jwt" // a service account that acts for an administrator
	Bearer        Method = "bearer"     // a token that somebody made and put into a file
)

// Options say where and how tokens are asked for.
type Options struct {
	// Client sends the requests; it bounds time and size and follows no
	// redirects.
	Client *http.Client
	// Endpoint is the token endpoint; a Google service account may name its
	// own, which is not believed.
	Endpoint string
	Method   Method
	ClientID string
	// ClientSecret, Key and Token are read anew when a token is needed, so
	// that a rotated secret needs no restart (ON3).
	ClientSecret, Key, Token secret.Ref
	// KeyID and Algorithm are `kid` and `alg` of assertions; "" takes what the
	// key says.
	KeyID, Algorithm string
	// Audience of client assertions; "" is the endpoint.
	Audience string
	Scopes   []string
	// Subject is the administrator for whom a Google service account acts.
	Subject string
	// DPoP binds tokens to a key of this process (RFC 9449).
	DPoP bool
	Now  func() time.Time // nil: time.Now
}

// Token is an access token with how it is presented. The zero value is none.
type Token struct {
	value   secret.Value
	scheme  string // Bearer or DPoP
	expires time.Time
	// scopes are those that were granted, nil if the server did not say.
	scopes []string
	// made is the mark of the secret that it was asked for with.
	made [sha256.Size]byte
}

// Scopes are the scopes that were granted; known is false when the server did
// not say.
func (t Token) Scopes() (scopes []string, known bool) { return t.scopes, t.scopes != nil }

// Source gives tokens and keeps the present one in memory alone. It is safe
// for concurrent use; one request for a new token is under way at a time.
type Source struct {
	opt   Options
	now   func() time.Time
	prove *prover

	mu   stdsync.Mutex
	kept Token
}

// early is how long before its end a token is replaced.
const early = time.Minute

// New makes a Source; it sends nothing and reads no secret.
func New(opt Options) (*Source, error) {
	s := &Source{opt: opt, now: opt.Now}
	if s.now == nil {
		s.now = time.Now
	}
	switch opt.Method {
	case Bearer:
	case SecretBasic, SecretPost, PrivateKeyJWT, GoogleJWT:
		if opt.Client == nil || opt.Endpoint == "" {
			return nil, errors.New("a token source needs a client and an endpoint")
		}
	default:
		return nil, fmt.Errorf("no such way to get a token: %q", opt.Method)
	}
	if opt.DPoP {
		var err error
		if s.prove, err = newProver(s.now); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ref is the secret that the method needs.
func (s *Source) ref() secret.Ref {
	switch s.opt.Method {
	case PrivateKeyJWT, GoogleJWT:
		return s.opt.Key
	case Bearer:
		return s.opt.Token
	default:
		return s.opt.ClientSecret
	}
}

// Token gives a token that is good for a while. A changed secret asks for a
// new one at once; a secret that cannot be read just now spoils no token that
// is still good. sync.ErrAuth is the server's no; *sync.ThrottledError asks
// to wait.
func (s *Source) Token(ctx context.Context) (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, err := s.ref().Resolve()
	good := !s.kept.value.IsZero() && s.now().Before(s.kept.expires.Add(-early))
	if err != nil {
		if good {
			return s.kept, nil
		}
		return Token{}, fmt.Errorf("%w: %w", sync.ErrAuth, err)
	}
	mark := sha256.Sum256([]byte(value.Reveal()))
	if good && mark == s.kept.made {
		return s.kept, nil
	}
	if s.opt.Method == Bearer {
		s.kept = Token{value: value, scheme: "Bearer", expires: s.now().Add(24 * time.Hour), made: mark}
		return s.kept, nil
	}
	t, err := s.ask(ctx, value)
	if err != nil {
		return Token{}, err
	}
	t.made = mark
	s.kept = t
	return t, nil
}

// Drop forgets a token that was refused; another one that has come meanwhile
// stays.
func (s *Source) Drop(t Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept.value.Equal(t.value) {
		s.kept = Token{}
	}
}

// Sign puts the token, and the proof that goes with it, on a request.
func (s *Source) Sign(req *http.Request, t Token) error {
	req.Header.Set("Authorization", t.scheme+" "+t.value.Reveal())
	if t.scheme != "DPoP" || s.prove == nil {
		return nil
	}
	return s.prove.prove(req, t.value.Reveal())
}

// Learn takes what an answer says about proofs and reports whether the same
// request, signed again, may now pass.
func (s *Source) Learn(from *url.URL, h http.Header) bool {
	return s.prove != nil && s.prove.learn(from, h)
}

// ask gets a token, once more if the server wants its nonce in the proof.
func (s *Source) ask(ctx context.Context, value secret.Value) (Token, error) {
	for again := false; ; again = true {
		r, err := s.post(ctx, value)
		if err != nil {
			return Token{}, err
		}
		fresh := s.Learn(r.from, r.header)
		if r.status == http.StatusOK {
			return s.read(r.body)
		}
		if refusal(r.body).Code == "use_dpop_nonce" && fresh && !again {
			continue
		}
		return Token{}, s.refused(r)
	}
}

// reply is what the token endpoint said.
type reply struct {
	status int
	header http.Header
	body   []byte
	from   *url.URL
}

// post sends one request to the token endpoint.
func (s *Source) post(ctx context.Context, value secret.Value) (*reply, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(s.opt.Scopes) > 0 {
		form.Set("scope", strings.Join(s.opt.Scopes, " "))
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := s.proof(value, form, header); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opt.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header = header
	if s.prove != nil {
		if err := s.prove.prove(req, ""); err != nil {
			return nil, err
		}
	}
	res, err := s.opt.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking %s for a token: %w", req.URL.Host, bare(err))
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, fmt.Errorf("asking %s for a token: %w", req.URL.Host, err)
	}
	return &reply{res.StatusCode, res.Header, body, req.URL}, nil
}

// bare takes the URL out of an error of the client: the host is named beside
// it, and a path says nothing to anybody.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// proof says who asks: this client, or a Google service account.
func (s *Source) proof(value secret.Value, form url.Values, header http.Header) error {
	if s.opt.Method != GoogleJWT {
		c := Client{Method: s.opt.Method, ID: s.opt.ClientID, KeyID: s.opt.KeyID, Algorithm: s.opt.Algorithm, Audience: s.opt.Audience, Now: s.now}
		return c.proveWith(value, s.opt.Endpoint, form, header)
	}
	k, err := parseKey(value, s.opt.Algorithm, s.opt.KeyID)
	if err != nil {
		return fmt.Errorf("%w: %w", sync.ErrAuth, err)
	}
	if k.email == "" {
		if k.email = s.opt.ClientID; k.email == "" {
			return fmt.Errorf("%w: the key is no service account's file, and client_id does not name the account", sync.ErrAuth)
		}
	}
	text, err := s.accountAssertion(k)
	form.Del("scope")
	form.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
	form.Set("assertion", text)
	return err
}

// answer is a token endpoint's success (RFC 6749 section 5.1). Some servers
// send the life as text.
type answer struct {
	AccessToken string          `json:"access_token"`
	TokenType   string          `json:"token_type"`
	ExpiresIn   json.RawMessage `json:"expires_in"`
	Scope       *string         `json:"scope"`
}

// shortLife is taken for tokens whose life is not told.
const shortLife = 5 * time.Minute

func (s *Source) read(body []byte) (Token, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.AccessToken == "" {
		return Token{}, errors.New("the token endpoint answered 200 without a token")
	}
	if strings.ContainsFunc(a.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Token{}, errors.New("the token endpoint gave a token with characters that no token has")
	}
	t := Token{value: secret.New(a.AccessToken), expires: s.now().Add(shortLife)}
	switch {
	case strings.EqualFold(a.TokenType, "Bearer"):
		t.scheme = "Bearer"
	case strings.EqualFold(a.TokenType, "DPoP") && s.prove != nil:
		t.scheme = "DPoP"
	default:
		return Token{}, errors.New("the token endpoint gave a token of a type that was not asked for")
	}
	if n, err := strconv.Atoi(strings.Trim(string(a.ExpiresIn), `"`)); err == nil && n > 0 {
		t.expires = s.now().Add(min(time.Duration(n)*time.Second, 24*time.Hour))
	}
	// A token that lives shorter than the reserve would be asked for with
	// every request.
	if left := t.expires.Sub(s.now()); left < 2*early {
		t.expires = s.now().Add(left/2 + early)
	}
	if a.Scope != nil {
		t.scopes = append([]string{}, strings.Fields(*a.Scope)...)
	}
	return t, nil
}

// failure is a token endpoint's refusal (RFC 6749 section 5.2).
type failure struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func refusal(body []byte) failure {
	var f failure
	if json.Unmarshal(body, &f) != nil {
		return failure{}
	}
	return f
}

// codes are what may be shown of a refusal: the standard code and a vendor's
// number. The description is text of somebody else and may quote what we sent
// (OI8).
var (
	codePattern   = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)
	vendorPattern = regexp.MustCompile(`AADSTS[0-9]{4,8}`)
)

// refused sorts a refusal: a no to this client is ErrAuth, everything else is
// trouble (E4).
func (s *Source) refused(r *reply) error {
	f := refusal(r.body)
	host := r.from.Host
	code := f.Code
	if !codePattern.MatchString(code) {
		code = ""
	}
	if v := vendorPattern.FindString(f.Description); v != "" {
		code = strings.TrimSpace(code + " " + v)
	}
	switch {
	case r.status == http.StatusTooManyRequests:
		return &sync.ThrottledError{Until: s.now().Add(Wait(r.header, s.now(), time.Minute)), Source: host}
	case r.status >= 500, f.Code == "temporarily_unavailable", f.Code == "server_error":
		return fmt.Errorf("the token endpoint of %s is in trouble: %d %s", host, r.status, code)
	case f.Code != "" && code != "", r.status == http.StatusUnauthorized:
		return fmt.Errorf("%w: the token endpoint of %s says %d %s", sync.ErrAuth, host, r.status, code)
	}
	return fmt.Errorf("the token endpoint of %s answered %d", host, r.status)
}
