package oidc

import (
	"fmt"
	"net/http"
	"testing"
)

// Trouble with UserInfo takes nothing away, and gives nothing.
func TestUserInfoTrouble(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	o.claims = o.idClaims(c)
	for _, answer := range []http.HandlerFunc{status(500, ""), status(401, ""), status(200, "{}"), status(200, "x"), status(302, "", "Location", "/token"), cut} {
		o.set(func() { o.userInfo = answer })
		s, err := p.Finish(t.Context(), testAttempt, o.back())
		if err != nil || s.Subject != testSubject || s.GroupsKnown {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// DC7: that UserInfo calls one address verified says nothing of the address in
// the ID token.
func TestVerifiedAddressIsTheOneStated(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	for other, want := range map[string]bool{"ann@acme.com": true, "mallory@other.example": false} {
		o.claims = o.idClaims(c)
		o.set(func() {
			o.claims["email"] = "ann@acme.com"
			delete(o.claims, "email_verified")
			o.userInfo = status(200, fmt.Sprintf(`{"sub":%q,"email":%q,"email_verified":true,"xms_edov":true}`, testSubject, other))
		})
		s, err := p.Finish(t.Context(), testAttempt, o.back())
		if err != nil || s.Evidence.Email != "ann@acme.com" || s.Evidence.EmailVerified != want || s.Evidence.EDOV != want {
			t.Errorf("UserInfo of %s: %+v, %v", other, s.Evidence, err)
		}
	}
}

// OI2, OI6: a signed UserInfo counts if the provider signed it, for itself.
func TestSignedUserInfo(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	o.claims = o.idClaims(c)
	stranger := newEC(t)
	claims := map[string]any{"sub": testSubject, "iss": o.server.URL, "department": "Sales"}
	other := with(claims, map[string]any{"iss": "https://evil.example"})
	for name, row := range map[string]struct {
		token string
		want  []string
	}{
		"good":                {o.sign("JWT", claims), []string{"Sales"}},
		"another key":         {signWith(t, stranger, "k1", "JWT", claims), nil},
		"for another issuer":  {o.sign("JWT", other), nil},
		"nothing but its end": {"x", nil},
	} {
		o.set(func() {
			o.userInfo = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/jwt; charset=utf-8")
				if _, err := fmt.Fprintln(w, row.token); err != nil {
					t.Error(err)
				}
			}
		})
		s, err := p.Finish(t.Context(), testAttempt, o.back())
		if err != nil || fmt.Sprint(s.Identity.Attributes["department"]) != fmt.Sprint(row.want) {
			t.Errorf("%s: %v, %v", name, s.Identity.Attributes, err)
		}
	}
}

// DC7, EV3: what a token says of guests; what it does not state is not stated.
func TestGuestsAndSilence(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	for name, row := range map[string]struct {
		claims map[string]any
		guest  bool
	}{
		"nothing":           {nil, false},
		"a member":          {map[string]any{"userType": "Member", "acct": 0}, false},
		"userType":          {map[string]any{"userType": "Guest"}, true},
		"user_type":         {map[string]any{"user_type": "guest"}, true},
		"acct":              {map[string]any{"acct": 1}, true},
		"acct, as userType": {map[string]any{"userType": "1"}, true},
	} {
		o.set(func() { o.claims = with(o.idClaims(c), row.claims) })
		s, err := p.Finish(t.Context(), testAttempt, o.back())
		if err != nil || s.Evidence.Guest != row.guest {
			t.Errorf("%s: %+v, %v", name, s.Evidence, err)
		}
		for attribute, values := range s.Identity.Attributes {
			if len(values) != 1 || values[0] == "" {
				t.Errorf("%s: %s is stated as %q", name, attribute, values)
			}
		}
	}
}

// RD8: a tenant is pinned by the claim that the vendor has for it.
func TestTenantClaims(t *testing.T) {
	t.Parallel()
	for issuer, claim := range map[string]string{
		"https://accounts.google.com": "hd", "https://login.microsoftonline.com/acme.com/v2.0": "tid", "https://idp.acme.com": "tid",
	} {
		p := &Provider{cfg: Config{Issuer: issuer, Tenant: "acme.com"}}
		for _, name := range []string{"hd", "tid"} {
			if why := p.tenantFault(claims{name: "acme.com"}); (why == "") != (name == claim) {
				t.Errorf("%s: %s: %q", issuer, name, why)
			}
		}
		if p.tenantFault(claims{claim: "other.example"}) == "" || p.tenantFault(claims{}) == "" {
			t.Errorf("%s: another tenant, or none", issuer)
		}
	}
}
