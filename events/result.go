package events

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/rollcall-sync/rollcall/internal/safedial"
)

// maxAnswer is how much of an answer is read (SS2).
const maxAnswer = 4 << 10

// result is what one try came to. Fault is a short word of ours: what the
// receiver wrote is shown to nobody.
type result struct {
	acked      bool
	gone       bool // 410: it wants no more
	status     int  // HTTP status, zero if there was none
	fault      string
	retryAfter time.Duration
	// alarm: people are told at the first try, not the third (ST4).
	alarm bool
	// What the receiver said in its answer (OB8).
	epoch, sessions int64
}

// proof is the body of an answer, as far as it counts for T4.
type proof struct {
	Epoch         int64  `json:"epoch"`
	SessionsEnded int64  `json:"sessions_ended"`
	Sessions      *int64 `json:"sessions"`
}

// call sends a request and judges its answer by the table of OB8. body is the
// answer's beginning.
func call(client *http.Client, req *http.Request, now func() time.Time) (r result, body []byte) {
	res, err := client.Do(req)
	if err != nil {
		return result{fault: faultOf(err)}, nil
	}
	r.status = res.StatusCode
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		// The receiver has acted, whether the rest of its words arrive or not.
		r.acked = true
		if err != nil {
			body = nil
		}
	case res.StatusCode == http.StatusGone:
		r.gone, r.fault = true, "gone"
	case res.StatusCode >= 300 && res.StatusCode < 400:
		r.fault = "redirect"
	default:
		r.fault, r.retryAfter = "refused", retryAfter(res, now())
	}
	return r, body
}

// readProof takes what an answer says about epoch and sessions; anything else
// than the two numbers says nothing.
func readProof(body []byte) (p proof, ok bool) {
	if json.Unmarshal(body, &p) != nil {
		return proof{}, false
	}
	return p, p.Epoch > 0
}

// faultOf names a failed call in one word.
func faultOf(err error) string {
	var timeout net.Error
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var unverified *tls.CertificateVerificationError
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, safedial.ErrRefused):
		return "address refused"
	case errors.As(err, &unverified), errors.As(err, &unknown), errors.As(err, &record), errors.As(err, &alert):
		return "tls"
	case errors.As(err, &dns):
		return "name not found"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "no answer"
	}
}
