package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// browser follows redirects itself, fills forms in, and stops where it is told.
type browser struct {
	t      *testing.T
	client *http.Client
	fields map[string]string // what a person types, by the name of the field
	trail  []string
}

func newBrowser(t *testing.T, fields map[string]string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, fields: fields, client: &http.Client{
		Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is where the browser has come to.
type browserPage struct {
	at     *url.URL
	status int
	body   string
	to     string // of a redirect
}

// read sends one request, and goes nowhere from its answer.
func (b *browser) read(req *http.Request) browserPage {
	b.t.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, strings.Join(b.trail, "\n"))
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		b.t.Fatal(err)
	}
	return browserPage{at: req.URL, status: res.StatusCode, body: string(body), to: res.Header.Get("Location")}
}

// visit goes to an address and on from there, through redirects and forms,
// until an address begins with stop or there is no way on.
func (b *browser) visit(address, stop string) browserPage {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for range 30 {
		b.trail = append(b.trail, req.Method+" "+req.URL.String())
		if stop != "" && strings.HasPrefix(req.URL.String(), stop) {
			return browserPage{at: req.URL}
		}
		page := b.read(req)
		if page.to != "" && page.status/100 == 3 {
			next, err := req.URL.Parse(page.to)
			if err != nil {
				b.t.Fatal(err)
			}
			if req, err = http.NewRequestWithContext(b.t.Context(), http.MethodGet, next.String(), nil); err != nil {
				b.t.Fatal(err)
			}
			continue
		}
		form := b.form(req.URL, page.body)
		if form == nil {
			return page
		}
		req = form
	}
	b.t.Fatalf("no end:\n%s", strings.Join(b.trail, "\n"))
	return browserPage{}
}

// form fills in the first form of a page that has a field which the person
// knows, or hidden ones alone.
func (b *browser) form(at *url.URL, text string) *http.Request {
	b.t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	attr := func(n *html.Node, name string) string {
		i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
		if i < 0 {
			return ""
		}
		return n.Attr[i].Val
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || attr(n, "action") == "/session/end" {
			continue
		}
		values := url.Values{}
		for f := range n.Descendants() {
			if name := attr(f, "name"); f.Type == html.ElementNode && (f.Data == "input" || f.Data == "button") && name != "" && !values.Has(name) {
				value := attr(f, "value")
				if typed, ok := b.fields[name]; ok {
					value = typed
				}
				values.Set(name, value)
			}
		}
		to, err := at.Parse(attr(n, "action"))
		if err != nil {
			b.t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, to.String(), strings.NewReader(values.Encode()))
		if err != nil {
			b.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req
	}
	return nil
}
