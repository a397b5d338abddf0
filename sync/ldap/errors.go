package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// isAnswer tells a result code of the server from a failure of the
// connection: after an answer the link may go on.
func isAnswer(err error) bool {
	_, ok := code(err)
	return ok
}

// code gives the server's result code, and false when there was none: the
// library uses 200 to 299 for its own failures.
func code(err error) (uint16, bool) {
	var e *goldap.Error
	if errors.As(err, &e) && (e.ResultCode < 200 || e.ResultCode > 299) {
		return e.ResultCode, true
	}
	return 0, false
}

// adReasons are the sub-codes that Active Directory puts into the text of a
// refused bind.
var adReasons = []struct{ sub, text string }{
	{"data 525", "no such account"},
	{"data 52e", "unknown account or wrong password"},
	{"data 530", "not at this time"},
	{"data 531", "not from this machine"},
	{"data 532", "password expired"},
	{"data 533", "account disabled"},
	{"data 701", "account expired"},
	{"data 773", "password must be changed"},
	{"data 775", "account locked"},
}

// bindError says what a refused bind means. The server's own text is read for
// a reason but not shown: it is not ours to trust.
func bindError(err error) error {
	c, ok := code(err)
	if !ok {
		return err
	}
	why := goldap.LDAPResultCodeMap[c]
	for _, r := range adReasons {
		if strings.Contains(err.Error(), r.sub) {
			why = r.text
		}
	}
	switch c {
	case goldap.LDAPResultInvalidCredentials, goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultNoSuchObject,
		goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultAuthMethodNotSupported,
		goldap.LDAPResultInvalidDNSyntax:
		return fmt.Errorf("%w: %s (code %d)", sync.ErrAuth, why, c)
	case goldap.LDAPResultStrongAuthRequired, goldap.LDAPResultConfidentialityRequired:
		return fmt.Errorf("the server wants TLS before a password (code %d): write ldaps:// or set start_tls: true", c)
	}
	return fmt.Errorf("bind: %s (code %d)", why, c)
}

// readError says what a failed search means for the run (RD2): limits,
// referrals and lost bases make it incomplete, never empty.
func readError(what string, err error) error {
	var incomplete *sync.IncompleteError
	if err == nil || errors.Is(err, context.Canceled) || errors.As(err, &incomplete) {
		return err
	}
	c, ok := code(err)
	if !ok {
		return fmt.Errorf("%s: %w", what, err)
	}
	why := func(remedy string) error {
		return &sync.IncompleteError{Why: fmt.Sprintf("%s: %s (code %d)%s", what, goldap.LDAPResultCodeMap[c], c, remedy)}
	}
	switch c {
	case goldap.LDAPResultNoSuchObject:
		return why("; the base is gone, or the account may no longer see it")
	case goldap.LDAPResultReferral:
		return why("; another server holds this base, and referrals are not followed")
	case goldap.LDAPResultSizeLimitExceeded, goldap.LDAPResultAdminLimitExceeded:
		return why("; raise the server's limit for this account, or lower page_size")
	case goldap.LDAPResultTimeLimitExceeded:
		return why("; raise the server's time limit for this account")
	case goldap.LDAPResultInsufficientAccessRights:
		return &sync.ScopeError{Need: what}
	case goldap.LDAPResultInvalidCredentials, goldap.LDAPResultStrongAuthRequired:
		return fmt.Errorf("%w: %s (code %d)", sync.ErrAuth, goldap.LDAPResultCodeMap[c], c)
	case goldap.LDAPResultSyncRefreshRequired:
		return fmt.Errorf("%w: the server asks for it (code %d)", sync.ErrCursorGone, c)
	}
	return fmt.Errorf("%s: %s (code %d)", what, goldap.LDAPResultCodeMap[c], c)
}
