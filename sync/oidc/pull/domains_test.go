package pull_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
)

// DC7: the domains of a tenant are those that Graph lists as verified, for the
// pinned tenant alone; trouble and a missing right are no domains. No other
// API lists any.
func TestTenantDomains(t *testing.T) {
	ctx := context.Background()
	for _, kind := range kindsUnderTest {
		r := newRig(t, kind)
		got, err := r.source().TenantDomains(ctx)
		want := []string(nil)
		if kind == oidc.Graph {
			want = []string{"acme.onmicrosoft.com", "acme.com"}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
	r := newRig(t, oidc.Graph)
	r.fake.Break(fakeidp.Forbidden, 1)
	var scope *sync.ScopeError
	if got, err := r.source().TenantDomains(ctx); !errors.As(err, &scope) || got != nil {
		t.Errorf("without the right: %q, %v", got, err)
	}
	r = newRig(t, oidc.Graph)
	r.cfg.Tenant = "00000000-0000-0000-0000-000000000001"
	if got, err := r.source().TenantDomains(ctx); !errors.Is(err, sync.ErrTenantMismatch) || got != nil {
		t.Errorf("another tenant: %q, %v", got, err)
	}
}
