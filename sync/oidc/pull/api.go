package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Bounds of one request (QU1). What a host asks us to wait for beyond
// patience is the engine's to wait.
const (
	maxTries    = 5
	maxBackoff  = 5 * time.Minute
	patience    = 20 * time.Second
	throttleFor = time.Minute // where a host does not say how long
)

// api sends requests to one directory API. It is safe for concurrent use.
type api struct {
	base   *url.URL
	client *http.Client
	tokens *grant.Source
	bucket *bucket
	now    func() time.Time
	pause  func(context.Context, time.Duration) error
	// busy tells a host's own way to say "too many requests", beside 429.
	busy func(*answer) bool
	// fixed tells that the rate was configured: the host's word changes it not.
	fixed bool
	meter *sync.Meter
}

// answer is what a host said: any status but those that are tried again.
type answer struct {
	status int
	header http.Header
	body   []byte
	at     workspace.Micros // the moment before the request was sent (EV4)
}

// url makes an address below the API's base. Path is escaped by the caller.
func (a *api) url(path string, query url.Values) *url.URL {
	u := a.base.JoinPath(path)
	u.RawQuery = query.Encode()
	return u
}

// link checks an address that an answer or a stored cursor gave: it must stay
// on the API's scheme, host and port and below its path, or the token would
// be carried elsewhere (ON1). No request is sent otherwise.
func (a *api) link(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Fragment != "" {
		return nil, &sync.IncompleteError{Why: "a link of " + a.base.Host + " cannot be read (ON1)"}
	}
	if u.Scheme != a.base.Scheme || !sameHost(u, a.base) {
		return nil, &sync.IncompleteError{Why: fmt.Sprintf("a link leads to %s://%s, away from %s://%s: no request was sent (ON1)",
			clean(u.Scheme), clean(u.Host), a.base.Scheme, a.base.Host)}
	}
	if base := strings.TrimRight(a.base.Path, "/"); u.Path != base && !strings.HasPrefix(u.Path, base+"/") || strings.Contains(u.Path, "/../") {
		return nil, &sync.IncompleteError{Why: "a link leaves the API's path: no request was sent (ON1)"}
	}
	return u, nil
}

// sameHost compares host and port, the usual port of the scheme included.
func sameHost(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		switch {
		case u.Port() != "":
			return u.Port()
		case u.Scheme == "http":
			return "80"
		}
		return "443"
	}
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// clean makes foreign text fit for a report.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), 100)]
}

// get sends a GET and gives the host's answer. Trouble (no answer, 5xx) is
// tried again, at most maxTries; 401 takes one new token, then it is
// sync.ErrAuth; 429 waits, or is a *sync.ThrottledError.
func (a *api) get(ctx context.Context, u *url.URL, header http.Header) (*answer, error) {
	c := call{api: a, url: u, header: header}
	for try := 1; ; try++ {
		until := a.bucket.shut()
		if until.Sub(a.now()) > patience {
			return nil, &sync.ThrottledError{Until: until, Source: a.base.Host}
		}
		a.meter.Throttled(max(0, until.Sub(a.now())))
		if err := a.bucket.take(ctx, a.now, a.pause); err != nil {
			return nil, err
		}
		ans, wait, err := c.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err == nil && wait == 0:
			return ans, nil
		case err != nil && final(err):
			return nil, err
		case wait > patience, wait > 0 && try >= maxTries:
			until = a.now().Add(wait)
			a.bucket.close(until)
			return nil, &sync.ThrottledError{Until: until, Source: a.base.Host}
		case wait > 0:
			a.bucket.close(a.now().Add(wait)) // the next take waits
			continue
		case try >= maxTries:
			return nil, err
		}
		// Full jitter: whoever failed together does not come back together.
		limit := min(time.Second<<(try-1), maxBackoff)
		if err := a.pause(ctx, rand.N(limit)+time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// final errors are not mended by trying again.
func final(err error) bool {
	var throttled *sync.ThrottledError
	var incomplete *sync.IncompleteError
	return errors.Is(err, sync.ErrAuth) || errors.As(err, &throttled) || errors.As(err, &incomplete) || errors.Is(err, errRedirect)
}

var errRedirect = errors.New("the directory answered with a redirect, which is never followed")

// call is one request with what has been tried to make it pass.
type call struct {
	*api
	url            *url.URL
	header         http.Header
	renewed, nonce bool
}

// once sends the request once. It gives an answer, a time to wait before the
// next try, or an error.
func (c *call) once(ctx context.Context) (*answer, time.Duration, error) {
	t, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url.String(), http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	for name, v := range c.header {
		req.Header[name] = v
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if err := c.tokens.Sign(req, t); err != nil {
		return nil, 0, err
	}
	ans := &answer{at: workspace.At(c.now())}
	c.meter.Asked()
	res, err := c.client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("calling %s: %w", c.base.Host, withoutURL(err))
	}
	ans.status, ans.header = res.StatusCode, res.Header
	ans.body, err = io.ReadAll(res.Body)
	c.meter.Answered(len(ans.body))
	err = errors.Join(err, res.Body.Close())
	switch {
	case errors.Is(err, oidc.ErrTooLarge):
		return nil, 0, &sync.IncompleteError{Why: fmt.Sprintf("%s sent more than %d MiB at once: lower directory.page_size", c.base.Host, oidc.MaxPage>>20)}
	case err != nil:
		return nil, 0, fmt.Errorf("reading from %s: %w", c.base.Host, err)
	}
	fresh := c.tokens.Learn(req.URL, res.Header)
	c.limit(res.Header)
	switch {
	case ans.status == http.StatusUnauthorized && fresh && !c.nonce:
		c.nonce = true
		return c.once(ctx)
	case ans.status == http.StatusUnauthorized && !c.renewed:
		c.renewed = true
		c.tokens.Drop(t)
		return c.once(ctx)
	case ans.status == http.StatusUnauthorized:
		return nil, 0, fmt.Errorf("%w: %s refuses a new token too (401)", sync.ErrAuth, c.base.Host)
	case ans.status == http.StatusTooManyRequests, c.busy != nil && c.busy(ans):
		return ans, grant.Wait(ans.header, c.now(), throttleFor), nil
	case ans.status == http.StatusServiceUnavailable && ans.header.Get("Retry-After") != "":
		return ans, grant.Wait(ans.header, c.now(), throttleFor), nil
	case ans.status >= 500:
		return nil, 0, fmt.Errorf("%s is in trouble: %d", c.base.Host, ans.status)
	case ans.status >= 300 && ans.status < 400:
		return nil, 0, fmt.Errorf("%w: %d from %s", errRedirect, ans.status, c.base.Host)
	}
	return ans, 0, nil
}

// limit takes the host's own word about its limit a minute.
func (c *call) limit(h http.Header) {
	if n, err := strconv.ParseFloat(h.Get("X-Rate-Limit-Limit"), 64); err == nil && !c.fixed {
		c.bucket.learn(n)
	}
}

// withoutURL takes the address out of an error of the client: its query may
// hold names.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// decode reads an answer's JSON. What cannot be read is a page that did not
// come.
func (ans *answer) decode(into any) error {
	d := json.NewDecoder(strings.NewReader(string(ans.body)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return &sync.IncompleteError{Why: "a page is no JSON that can be read"}
	}
	return nil
}

// codePattern is what an error code of a vendor looks like; nothing else of
// an error's body is shown.
var codePattern = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,64}$`)

// code gives a vendor's error code, "" where it is none that can be shown.
func showable(code string) string {
	if codePattern.MatchString(code) {
		return code
	}
	return ""
}

// refused makes an error of an answer that is no success: 403 is a lacking
// right, everything else is trouble (E4).
func (ans *answer) refused(what, code, need string) error {
	if ans.status == http.StatusForbidden {
		return &sync.ScopeError{Need: need}
	}
	return fmt.Errorf("%s: %d %s", what, ans.status, showable(code))
}
