package api

import (
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// sessionView is a session with the member as they are now. Live tells
// whether it is good: the epoch is the member's, nothing has ended it.
type sessionView struct {
	ID         string            `json:"id"`
	Live       bool              `json:"live" doc:"false: end your session too"`
	Member     sessionMember     `json:"member"`
	Connection string            `json:"connection"`
	Issuer     string            `json:"issuer"`
	Subject    string            `json:"subject" doc:"the person's immutable id at the issuer"`
	Epoch      int64             `json:"epoch" doc:"the member's when the session began"`
	CreatedAt  workspace.Micros  `json:"created_at"`
	AuthAt     *workspace.Micros `json:"auth_at" doc:"when the person showed the issuer who they are"`
	ExpiresAt  workspace.Micros  `json:"expires_at"`
	EndedAt    *workspace.Micros `json:"ended_at"`
	EndedWhy   *string           `json:"ended_why"`
}

// sessionMember is whose session it is.
type sessionMember struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
	Role  string `json:"role" enum:"owner,admin,member"`
	State string `json:"state" enum:"active,deactivated,removed,contained"`
	Epoch int64  `json:"epoch"`
}

func viewSession(s *store.SessionRow, m *workspace.Member, now workspace.Micros) sessionView {
	v := sessionView{
		ID: s.ID, Live: sync.LiveSession(s, m, now), Connection: s.Connection, Issuer: s.Issuer, Subject: s.Subject, Epoch: s.Epoch,
		CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt,
		Member: sessionMember{ID: m.ID, Email: m.Email, Name: m.Name, Role: m.Role.String(), State: string(m.State), Epoch: m.Epoch},
	}
	if m.Contained {
		v.Member.State = "contained"
	}
	if s.AuthAt != 0 {
		v.AuthAt = &s.AuthAt
	}
	if s.EndedAt != 0 {
		v.EndedAt, v.EndedWhy = &s.EndedAt, &s.EndedWhy
	}
	return v
}

type redeemBody struct {
	Code string `json:"code" required:"true" max:"100" doc:"the one-time code that the sign-in returned with"`
}

// redeemCode gives the session of a one-time code, once, within a minute.
func redeemCode(x *exchange, b *redeemBody) (*reply, error) {
	row, m, err := x.h.engine.RedeemCode(x.r.Context(), x.caller.workspace, hashOf(b.Code))
	if isNotFound(err) {
		p := errNotFound()
		p.Detail, p.Remedy = "The code is unknown, spent or older than a minute.", "Let the person sign in again."
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	return plain(http.StatusOK, viewSession(&row, &m, workspace.At(x.h.now())))
}

func readSession(r *store.Reader, id string, now workspace.Micros) (sessionView, error) {
	row, err := r.Session(id)
	if err != nil {
		return sessionView{}, err
	}
	m, err := r.Member(row.Member)
	return viewSession(&row, &m, now), err
}

func getSession(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (sessionView, error) {
		return readSession(r, x.path["id"], workspace.At(x.h.now()))
	})
}

// endSession ends one session, because the person has signed out of the
// product.
func endSession(x *exchange, b *noteBody) (*reply, error) {
	why := b.Note
	if why == "" {
		why = "signed out"
	}
	if err := x.h.engine.EndSession(x.r.Context(), x.caller.workspace, x.path["id"], why); err != nil {
		return nil, err
	}
	return getSession(x)
}

// session tells the browser of its own session.
func (s *SignIn) session(w http.ResponseWriter, r *http.Request) {
	row, m, err := s.current(r)
	switch {
	case isNotFound(err):
		s.json(w, http.StatusUnauthorized, screen{Title: "Not signed in", Remedy: "Sign in at /signin/CONNECTION, the address that your company gave you."})
	case err != nil:
		s.broken(w, r, err)
	default:
		s.json(w, http.StatusOK, viewSession(&row, &m, workspace.At(s.now())))
	}
}

// end signs the browser out.
func (s *SignIn) end(w http.ResponseWriter, r *http.Request) {
	row, m, err := s.current(r)
	if err == nil {
		err = s.opt.Engine.EndSession(r.Context(), s.workspaceOf(row.Connection), row.ID, "signed out")
	}
	if err != nil && !isNotFound(err) {
		s.broken(w, r, err)
		return
	}
	s.log.Info("signed out", "member_id", m.ID)
	s.clearCookie(w, s.sessionCookie())
	s.show(w, r, http.StatusOK, screen{Title: "Signed out", Text: "You are signed out.", Links: []link{{"/signin", "Sign in"}}})
}

// workspaceOf is the workspace of a connection.
func (s *SignIn) workspaceOf(connection string) string {
	if c := s.of[connection]; c != nil {
		return c.Workspace
	}
	return ""
}

// current finds the live session of the browser's cookie, in whichever
// workspace it is (EP5).
func (s *SignIn) current(r *http.Request) (row store.SessionRow, m workspace.Member, err error) {
	hash := s.cookieHash(r)
	if hash == "" {
		return row, m, workspace.ErrNotFound
	}
	seen := map[string]bool{}
	for i := range s.opt.Connections {
		id := s.opt.Connections[i].Workspace
		if seen[id] {
			continue
		}
		seen[id] = true
		h, herr := s.opt.Engine.Handle(id)
		if herr != nil {
			return row, m, herr
		}
		live := false
		err = h.View(r.Context(), func(rd *store.Reader) error {
			var err error
			if row, err = rd.SessionByCookie(hash); err != nil {
				return err
			}
			if m, err = rd.Member(row.Member); err != nil {
				return err
			}
			live = sync.LiveSession(&row, &m, workspace.At(s.now()))
			return nil
		})
		if err == nil && live {
			return row, m, nil
		}
		if err != nil && !isNotFound(err) {
			return row, m, err
		}
	}
	return store.SessionRow{}, workspace.Member{}, workspace.ErrNotFound
}
