package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// The headers by which a program says for whom it acts, and how often.
const (
	memberHeader  = "X-Rollcall-Member"
	channelHeader = "X-Rollcall-Channel"
	keyHeader     = "Idempotency-Key"
	runHeader     = "X-Rollcall-Run"
)

// maxKey is the longest idempotency key.
const maxKey = 255

// change is what a request wants to write.
type change struct {
	edits []sync.Edit
	// target gives the resource that the path names, before the change; its
	// rows are locked from then on. workspace.ErrNotFound is answered with 404.
	// nil if the path names none.
	target func(r *store.Reader) (any, error)
	// answer gives what is answered after a change that went through.
	answer func(r *store.Reader, res sync.Result) (*reply, error)
	// by runs the edits; nil is Engine.Edit.
	by func(ctx context.Context, b sync.EditBatch) (sync.Result, error)
	// parts: what is refused does not take the rest with it.
	parts bool
}

// acting tells who acts and by which channel (R23).
func (x *exchange) acting() (member string, channel workspace.Channel, err error) {
	switch text := x.r.Header.Get(channelHeader); text {
	case "", "api":
		channel = workspace.ChannelAPI
	case "console", "mobile":
		channel = workspace.Channel(text)
	default:
		return "", "", invalid(header(channelHeader, "it is no channel", "use api, console or mobile"))
	}
	values := x.r.Header.Values(memberHeader)
	if !x.route.acting {
		return "", channel, nil
	}
	if len(values) != 1 || strings.TrimSpace(values[0]) == "" || !utf8.ValidString(values[0]) {
		p := invalid(header(memberHeader, "it is missing, stands twice or is not UTF-8", "name the acting member by id or address: the role matrix judges with their role"))
		p.Status, p.Code = http.StatusBadRequest, "actor"
		return "", "", p
	}
	return strings.TrimSpace(values[0]), channel, nil
}

// edit puts a change before the engine.
func (x *exchange) edit(c change) (*reply, error) {
	as, channel, err := x.acting()
	if err != nil {
		return nil, err
	}
	once, err := x.once(func(r *store.Reader, res sync.Result) (*reply, error) { return x.outcome(r, res, c.answer) })
	if err != nil {
		return nil, err
	}
	b := sync.EditBatch{
		Workspace: x.caller.workspace, As: as, Kind: workspace.ActorMember, Channel: channel, Txn: x.txn, Trigger: "request",
		TokenID: x.caller.token.ID, IP: x.ip, UserAgent: x.userAgent(), Edits: c.edits, DryRun: x.dryRun(), Whole: !c.parts, Once: once,
	}
	b.Before = func(r *store.Reader) error {
		if c.target == nil {
			return nil
		}
		before, err := c.target(r)
		if err != nil {
			return err
		}
		return x.matches(before)
	}
	run := c.by
	if run == nil {
		run = x.h.engine.Edit
	}
	res, err := run(x.r.Context(), b)
	return x.answered(res, err)
}

// maxUserAgent bounds what a report keeps of the client's name, in bytes.
const maxUserAgent = 256

func (x *exchange) userAgent() string { return userAgentOf(x.r) }

func userAgentOf(r *http.Request) string {
	text := r.UserAgent()
	return strings.ToValidUTF8(strings.ReplaceAll(text[:min(len(text), maxUserAgent)], "\x00", ""), "")
}

func (x *exchange) dryRun() bool { return x.query.Get("dry_run") == "true" }

// matches compares If-Match with the resource as it is, inside the writing
// transaction: of two writers who read the same state the second is refused.
func (x *exchange) matches(before any) error {
	lines := x.r.Header.Values("If-Match")
	if len(lines) == 0 || !x.route.match {
		return nil
	}
	body, err := encode(before)
	if err != nil {
		return err
	}
	if named(lines, etagOf(body)) {
		return nil
	}
	return &Problem{Status: http.StatusPreconditionFailed, Code: "changed", Detail: "The resource has changed since it was read.", Remedy: "Read it again, then decide."}
}

// answered turns what the engine gave into the answer.
func (x *exchange) answered(res sync.Result, err error) (*reply, error) {
	var again *sync.ReplayError
	switch {
	case errors.As(err, &again):
		body, err := x.open(again.Kept)
		if err != nil {
			return nil, err
		}
		kept := &reply{replayed: true}
		return kept, json.Unmarshal(body, kept)
	case err != nil:
		return nil, err
	}
	x.run = res.Run
	answer := &reply{}
	return answer, json.Unmarshal(res.Answer, answer)
}

// once names the request by its key, if it has one.
func (x *exchange) once(answer func(r *store.Reader, res sync.Result) (*reply, error)) (sync.Once, error) {
	o := sync.Once{Answer: func(r *store.Reader, res sync.Result) ([]byte, error) {
		a, err := answer(r, res)
		if err != nil {
			return nil, err
		}
		if res.Run != "" && !x.dryRun() {
			a.Header = append(a.Header, [2]string{runHeader, res.Run})
		}
		x.made, err = json.Marshal(a)
		return x.made, err
	}}
	values := x.r.Header.Values(keyHeader)
	if len(values) == 0 {
		return o, nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxKey {
		return o, invalid(header(keyHeader, "it is empty, too long or stands twice", "give one of at most 255 characters, such as a UUID"))
	}
	sum := sha256.New()
	for _, part := range []string{
		x.r.Method, x.r.URL.EscapedPath(), x.r.URL.RawQuery, x.r.Header.Get(memberHeader), x.r.Header.Get(channelHeader),
		strings.Join(x.r.Header.Values("If-Match"), ","), string(x.raw),
	} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	o.Key, o.Request, o.Seal = x.answerKey(), hex.EncodeToString(sum.Sum(nil)), x.seal
	return o, nil
}

// answerKey is the name under which an answer is kept: one for each token and
// key.
func (x *exchange) answerKey() string {
	sum := sha256.Sum256([]byte("answer\x00" + x.caller.token.ID + "\x00" + x.r.Header.Get(keyHeader)))
	return hex.EncodeToString(sum[:])
}

// sealer encrypts kept answers: they may hold the secret of an invitation and
// names of people. The key is made of the bearer token, of which the store
// has a hash alone, so that only who sent the request can read its answer.
func (x *exchange) sealer() (cipher.AEAD, error) {
	key := sha256.Sum256([]byte("seal\x00" + x.caller.token.Reveal() + "\x00" + x.r.Header.Get(keyHeader)))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (x *exchange) seal(answer []byte) ([]byte, error) {
	box, err := x.sealer()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, box.NonceSize())
	if _, err := io.ReadFull(rand.Reader, nonce); err != nil {
		return nil, err
	}
	sealed := box.Seal(nonce, nonce, answer, []byte(x.caller.workspace+"|"+x.answerKey()))
	return base64.StdEncoding.AppendEncode(nil, sealed), nil
}

func (x *exchange) open(kept []byte) ([]byte, error) {
	box, err := x.sealer()
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(string(kept))
	if err != nil || len(sealed) < box.NonceSize() {
		return nil, errors.New("a kept answer is damaged")
	}
	n := box.NonceSize()
	return box.Open(nil, sealed[:n], sealed[n:], []byte(x.caller.workspace+"|"+x.answerKey()))
}
