package ldap

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
)

// Object identifiers that the root DSE lists.
const (
	oidPaging      = "1.2.840.113556.1.4.319"
	oidSync        = "1.3.6.1.4.1.4203.1.9.1.1"
	oidDirSync     = "1.2.840.113556.1.4.841"
	oidShowDeleted = "1.2.840.113556.1.4.417"
	oidADCaps      = "1.2.840.113556.1.4.800"
)

// rootDSE is what a server says about itself (RFC 4512 section 5.1).
type rootDSE struct {
	flavor Flavor
	// server names the replica whose counters and cookies count: the DC's
	// settings object and database, or host:port.
	server string
	// tenant is the immutable id of the naming context's top entry, "" when
	// the account may not read it.
	tenant string
	// suffix is the naming context that holds the people.
	suffix   string
	contexts []string
	controls []string
	vendor   string
	// lastUSN are 389's attributes with the counters of its databases, none
	// without the plug-in.
	lastUSN []string
}

func (r *rootDSE) supports(oid string) bool { return slices.Contains(r.controls, oid) }

var rootAttributes = []string{
	"namingContexts", "defaultNamingContext", "supportedControl", "supportedCapabilities", "vendorName", "vendorVersion",
	"dsServiceName", "structuralObjectClass", "objectClass", "lastusn",
}

// rootDSE reads what the server is and finds the naming context of the people.
func (s *Source) rootDSE(ctx context.Context, l *link) (rootDSE, error) {
	var r rootDSE
	e, err := l.base(ctx, "", "(objectClass=*)", rootAttributes)
	if err != nil {
		return r, readError("reading the root DSE", err)
	}
	if e == nil {
		return r, &sync.IncompleteError{Why: "the server shows no root DSE: allow the account to read it"}
	}
	r.controls = e.GetEqualFoldAttributeValues("supportedControl")
	r.contexts = e.GetEqualFoldAttributeValues("namingContexts")
	r.vendor = strings.TrimSpace(e.GetEqualFoldAttributeValue("vendorName") + " " + e.GetEqualFoldAttributeValue("vendorVersion"))
	r.flavor = s.cfg.Flavor
	if r.flavor == Auto {
		if r.flavor, err = guessFlavor(e); err != nil {
			return r, err
		}
	}
	if r.suffix, err = suffixOf(s.cfg.People.Base, r.contexts); err != nil {
		return r, err
	}
	r.server = l.server
	if r.flavor == AD {
		if r.server, err = adServer(ctx, l, e.GetEqualFoldAttributeValue("dsServiceName")); err != nil {
			return r, err
		}
	}
	for _, a := range e.Attributes {
		if strings.HasPrefix(strings.ToLower(a.Name), "lastusn") {
			r.lastUSN = append(r.lastUSN, a.Name)
		}
	}
	r.tenant, err = tenantOf(ctx, l, &r)
	return r, err
}

// guessFlavor tells the servers apart by what only they say.
func guessFlavor(e *goldap.Entry) (Flavor, error) {
	vendor := strings.ToLower(e.GetEqualFoldAttributeValue("vendorName"))
	version := strings.ToLower(e.GetEqualFoldAttributeValue("vendorVersion"))
	classes := strings.ToLower(strings.Join(append(e.GetEqualFoldAttributeValues("structuralObjectClass"), e.GetEqualFoldAttributeValues("objectClass")...), " "))
	switch {
	case slices.Contains(e.GetEqualFoldAttributeValues("supportedCapabilities"), oidADCaps):
		return AD, nil
	case strings.Contains(version, "389-directory"), strings.Contains(version, "389 project"), strings.Contains(vendor, "389 project"),
		strings.Contains(version, "red hat directory"):
		return DS389, nil
	case strings.Contains(classes, "openldaprootdse"), strings.Contains(vendor, "openldap"):
		return OpenLDAP, nil
	}
	return "", errors.New("cannot tell the kind of server from its root DSE: set flavor to openldap, ad or 389")
}

// suffixOf finds the longest naming context that holds the base. A server
// that does not hold it is not the configured one (RD8).
func suffixOf(base string, contexts []string) (string, error) {
	b, err := dn.Parse(base)
	if err != nil {
		return "", err
	}
	best, depth := "", -1
	for _, c := range contexts {
		d, err := dn.Parse(c)
		if err == nil && b.Under(d) && len(d) > depth {
			best, depth = c, len(d)
		}
	}
	if depth < 1 {
		return "", &sync.IncompleteError{Why: fmt.Sprintf("the server holds no naming context for people.base %q; it has %q", base, contexts)}
	}
	return best, nil
}

// adServer names the domain controller and its database: USNs mean nothing
// elsewhere (LD2).
func adServer(ctx context.Context, l *link, settings string) (string, error) {
	if settings == "" {
		return "", &sync.ScopeError{Need: "read dsServiceName of the root DSE"}
	}
	e, err := l.base(ctx, settings, "(objectClass=*)", []string{"invocationId"})
	if err != nil {
		return "", readError("reading the domain controller's invocationId", err)
	}
	if e == nil || len(e.GetEqualFoldAttributeValue("invocationId")) != 16 {
		return "", &sync.ScopeError{Need: "read invocationId of " + settings}
	}
	key, err := dn.Key(settings)
	if err != nil {
		return "", err
	}
	return key + "/" + hex.EncodeToString([]byte(e.GetEqualFoldAttributeValue("invocationId"))), nil
}

// tenantOf reads the immutable id of the naming context: another directory
// under the same name has another one.
func tenantOf(ctx context.Context, l *link, r *rootDSE) (string, error) {
	kind := newIDKind(defaultID(r.flavor))
	e, err := l.base(ctx, r.suffix, "(objectClass=*)", []string{kind.attr})
	if _, answered := code(err); err != nil && !answered {
		return "", err
	}
	if err != nil || e == nil {
		return "", nil // may not be read: no pin
	}
	id, err := kind.read(e.GetEqualFoldAttributeValues(kind.attr))
	if err != nil {
		return "", nil // not shown: no pin
	}
	return id, nil
}

func defaultID(f Flavor) string {
	switch f {
	case AD:
		return "objectGUID"
	case DS389:
		return "nsUniqueId"
	}
	return "entryUUID"
}

// pinned refuses another directory than the one known (RD8).
func (s *Source) pinned(r *rootDSE, from string) error {
	for _, want := range []string{s.opt.Tenant, from} {
		switch {
		case want == "" || want == r.tenant:
		case r.tenant == "":
			return &sync.ScopeError{Need: "read the id of " + r.suffix + ", which told which directory this is"}
		default:
			return fmt.Errorf("%w: pinned %s, found %q", sync.ErrTenantMismatch, want, r.tenant)
		}
	}
	return nil
}
