package scim

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// mediaType is that of every answer (RFC 7644 section 3.1).
const mediaType = "application/scim+json"

// body reads the body of a write under the limits of GD04. A body that says
// that it is too large is not read at all.
func (x *exchange) body(limit int64) ([]byte, error) {
	if x.kept != nil {
		if int64(len(x.kept)) > limit {
			return nil, errTooLarge("GD04", "the body has %d bytes; at most %d are allowed", len(x.kept), limit)
		}
		return x.kept, nil
	}
	if encoding := x.r.Header.Get("Content-Encoding"); encoding != "" && !sameName(encoding, "identity") {
		return nil, errUnsupportedMediaType("GD04", "the body has the Content-Encoding %q. Remedy: send it as it is", shorten(encoding))
	}
	if text := x.r.Header.Get("Content-Type"); !isJSON(text) {
		return nil, errUnsupportedMediaType("", "the Content-Type is %q. Remedy: send application/scim+json or application/json", shorten(text))
	}
	if x.r.ContentLength > limit {
		// Do not wait for what will not be read.
		x.lingers()
		return nil, errTooLarge("GD04", "the body has %d bytes; at most %d are allowed", x.r.ContentLength, limit)
	}
	limited := http.MaxBytesReader(x.w, x.r.Body, limit)
	if n := x.r.ContentLength; n >= 0 {
		text := make([]byte, n)
		got, err := io.ReadFull(limited, text)
		x.sent = text[:got]
		return text, unreadable(err)
	}
	text, err := io.ReadAll(limited)
	x.sent = text
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		x.lingers()
	}
	return text, unreadable(err)
}

// A client that writes its whole body before it reads would never see the
// answer to one that is too large, but a broken connection: what it still sends
// is thrown away for a while (RFC 9112 section 9.6).
const (
	lingerBytes = 16 << 20
	lingerTime  = 2 * time.Second
)

// lingers marks a request whose body is left unread.
func (x *exchange) lingers() {
	x.w.Header().Set("Connection", "close")
	// A writer that cannot do it has no connection that could break.
	x.unread = http.NewResponseController(x.w).EnableFullDuplex() == nil
}

// discard throws away what is left of the body, after the answer has gone out.
func (x *exchange) discard() {
	c := http.NewResponseController(x.w)
	if c.Flush() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return // The connection has gone.
	}
	if _, err := io.CopyN(io.Discard, x.r.Body, lingerBytes); err != nil {
		return // Its end, or that of our patience: it is closed now in any case.
	}
}

// unreadable tells a body that broke off from one that is too large.
func unreadable(err error) error {
	var size *http.MaxBytesError
	if err == nil || errors.As(err, &size) {
		return err
	}
	return errInvalidSyntax("", "the body broke off before its end").causedBy(err)
}

// isJSON reports whether a Content-Type is one of the two that are read.
func isJSON(text string) bool {
	switch text {
	case mediaType, "application/json", "application/json; charset=utf-8", "application/scim+json; charset=utf-8":
		return true
	case "":
		return false
	}
	media, _, err := mime.ParseMediaType(text)
	return err == nil && (media == mediaType || media == "application/json")
}

// acceptable checks the Accept header: absent and */* pass (RFC 7644 section
// 3.1). What the client would rather have does not matter, as there is one
// form of answers.
func (x *exchange) acceptable() error {
	values := x.r.Header["Accept"]
	if len(values) == 0 {
		return nil
	}
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			media, parameters, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(media)) {
			case mediaType, "application/json", "*/*", "application/*", "":
				if !refusedQuality(parameters) {
					return nil
				}
			}
		}
	}
	return errNotAcceptable()
}

// refusedQuality reports whether the parameters of a media range have the
// weight 0, which means "not this" (RFC 9110 section 12.4.2).
func refusedQuality(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if sameName(name, "q") {
			return strings.Trim(value, "0.") == "" && value != ""
		}
	}
	return false
}
