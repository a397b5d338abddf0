package sync

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// The terms of codes by mail (DC7).
const (
	codeDigits  = 6
	codeTries   = 5
	joinCodeFor = 10 * time.Minute
	codesKept   = 24 * time.Hour
)

// CodeLimits bound how many codes are mailed in an hour: to one address, to one
// domain, and asked for by one network. Zero is 5, 200 and 30.
type CodeLimits struct{ Address, Domain, Network int }

func (l CodeLimits) orUsual() CodeLimits {
	return CodeLimits{cmp.Or(l.Address, 5), cmp.Or(l.Domain, 200), cmp.Or(l.Network, 30)}
}

// Errors of codes. ErrCode says the same of a wrong code, one that has run
// out, one that was used, and one that was never sent.
var (
	ErrCode         = errors.New("the code is not right, or not good any more")
	ErrTooManyCodes = errors.New("too many codes were asked for from this network")
)

// CodeMail is a code to be mailed to the address that it shall prove.
type CodeMail struct {
	To        string
	Code      string
	Workspace string // its name, for people
	Good      time.Duration
}

// AskCode makes a code for an address. The browser's secret binds it: only
// who holds the secret can give the code back. It gives nil where no mail is
// to be sent, because nobody joins with that address or too many were asked
// for; the row is written all the same, so that nothing differs outside. An
// address that is none is an *EditError, too many of one client
// ErrTooManyCodes.
func (e *Engine) AskCode(ctx context.Context, browser, address, client string) (*CodeMail, error) {
	address = strings.TrimSpace(address)
	if why := fold.BadAddress(address); why != "" {
		return nil, badAddress(why)
	}
	id, domain, err := e.Claimant(ctx, address)
	if err != nil {
		return nil, err
	}
	s := e.spaces[id]
	if s == nil || s.cfg.Domains.AutoJoin == AutoJoinOff || !slices.Contains(s.cfg.Domains.Evidence, ByMailboxCode) {
		id, s = "", nil
	}
	digits, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return nil, err
	}
	now := workspace.At(e.now())
	code := fmt.Sprintf("%0*d", codeDigits, digits)
	row := store.JoinCodeRow{
		Browser: browserKey(browser), Workspace: id, Email: address, Address: emailKey(address), Domain: domain, Client: network(client),
		Code: codeHash(browser, code), SentAt: now,
	}
	quiet := s == nil
	err = e.anywhere().Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		n, err := tx.JoinCodesSince(row.Address, row.Domain, row.Client, now-workspace.Micros(time.Hour.Microseconds()))
		if err != nil {
			return err
		}
		if n.Client >= e.codes.Network {
			return ErrTooManyCodes
		}
		quiet = quiet || n.Address >= e.codes.Address || n.Domain >= e.codes.Domain
		if quiet {
			row.Workspace = ""
		}
		return tx.InsertJoinCode(row)
	})
	if err != nil || quiet {
		return nil, err
	}
	return &CodeMail{To: address, Code: code, Workspace: s.cfg.Name, Good: joinCodeFor}, nil
}

// ForgetCodes deletes codes and addresses that nobody needs any more.
func (e *Engine) ForgetCodes(ctx context.Context) error {
	return e.anywhere().Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.DeleteJoinCodes(workspace.At(e.now()) - workspace.Micros(codesKept.Microseconds()))
	})
}

// CheckCode takes a code that came back. It is good once, for ten minutes and
// five tries; a wrong one counts, whatever else is wrong with it.
func (e *Engine) CheckCode(ctx context.Context, browser, code string) error {
	now := workspace.At(e.now())
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, code)
	good := false
	err := e.anywhere().Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		good = false
		row, err := tx.JoinCode(browserKey(browser))
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		row.Tries++
		same := subtle.ConstantTimeCompare([]byte(codeHash(browser, code)), []byte(row.Code)) == 1
		fresh := row.SentAt+workspace.Micros(joinCodeFor.Microseconds()) > now && row.Tries <= codeTries
		if good = same && fresh && row.Workspace != ""; good {
			row.Code, row.ProvedAt = "", now
		}
		return tx.UpdateJoinCode(row)
	})
	if err == nil && !good {
		return ErrCode
	}
	return err
}

// Applicant is somebody whose mailbox is proved, before they join.
type Applicant struct {
	Email     string
	Workspace string // id
	Name      string // of the workspace
	// Would is what joining would come to; nothing has happened yet.
	Would Joined
}

// Applicant tells what a proved browser may do now: join, wait, or why not. It
// is ErrCode for a browser that has proved nothing lately.
func (e *Engine) Applicant(ctx context.Context, browser string) (Applicant, error) {
	row, s, err := e.provedCode(ctx, browser)
	if err != nil {
		return Applicant{}, err
	}
	a := Applicant{Email: row.Email, Workspace: row.Workspace, Name: s.cfg.Name}
	a.Would, err = e.Join(ctx, row.join(true))
	return a, err
}

// JoinByCode makes a member of who has proved a mailbox. The proof is used up
// by it.
func (e *Engine) JoinByCode(ctx context.Context, browser, name string, txn, ip, userAgent string) (Joined, error) {
	row, _, err := e.provedCode(ctx, browser)
	if err != nil {
		return Joined{}, err
	}
	j := row.join(false)
	j.Name, j.Txn, j.IP, j.UserAgent = name, txn, ip, userAgent
	out, err := e.Join(ctx, j)
	if err != nil {
		return out, err
	}
	return out, e.anywhere().Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		used, err := tx.JoinCode(row.Browser)
		if err != nil {
			return err
		}
		used.UsedAt = workspace.At(e.now())
		return tx.UpdateJoinCode(used)
	})
}

// provedCode reads a proof that is still good.
func (e *Engine) provedCode(ctx context.Context, browser string) (row provenCode, s *space, err error) {
	err = e.anywhere().View(ctx, func(r *store.Reader) (err error) {
		row.JoinCodeRow, err = r.JoinCode(browserKey(browser))
		return err
	})
	now := workspace.At(e.now())
	s = e.spaces[row.Workspace]
	if errors.Is(err, workspace.ErrNotFound) ||
		err == nil && (s == nil || row.UsedAt != 0 || row.ProvedAt+workspace.Micros(evidenceFor.Microseconds()) <= now) {
		return row, nil, ErrCode
	}
	return row, s, err
}

type provenCode struct{ store.JoinCodeRow }

// join is the wish that a proof stands for.
func (c *provenCode) join(dry bool) Join {
	return Join{
		Workspace: c.Workspace, DryRun: dry, Channel: workspace.ChannelSignin,
		Evidence: Evidence{Email: c.Email, Mailbox: true, At: c.ProvedAt.Time()},
	}
}

// anywhere is a way to rows that belong to no workspace.
func (e *Engine) anywhere() *store.Handle { return e.store.In("") }

// network is what a client is counted by: its address, or with IPv6 the
// network of 64 bits that one customer has.
func network(client string) string {
	a, err := netip.ParseAddr(client)
	if err != nil || !a.Is6() || a.Is4In6() {
		return client
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return client
	}
	return p.String()
}

// browserKey is how a browser's secret stands in the store.
func browserKey(secret string) string {
	sum := sha256.Sum256([]byte("join browser\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// codeHash binds a code to the browser's secret: a million codes are quickly
// tried, but not without the secret, which no row holds.
func codeHash(secret, code string) string {
	sum := sha256.Sum256([]byte("join code\x00" + secret + "\x00" + code))
	return hex.EncodeToString(sum[:])
}
