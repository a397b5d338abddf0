package api

import (
	"context"
	"net/http"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// domainView is a claimed domain with the record that proves it.
type domainView struct {
	Domain       string           `json:"domain" doc:"ASCII form"`
	Unicode      string           `json:"unicode" doc:"for people; both forms where they differ"`
	State        string           `json:"state" enum:"pending,verified,lapsing,lapsed,contested"`
	Contested    bool             `json:"contested" doc:"another workspace has proved it too, and nobody joins by it until that is settled"`
	Claimer      string           `json:"claimer" doc:"member id"`
	ClaimedAt    workspace.Micros `json:"claimed_at"`
	VerifiedAt   workspace.Micros `json:"verified_at"`
	ProvedAt     workspace.Micros `json:"proved_at" doc:"when the record was seen last"`
	CheckedAt    workspace.Micros `json:"checked_at" doc:"when it was looked for last"`
	MissingSince workspace.Micros `json:"missing_since"`
	RecordName   string           `json:"record_name"`
	RecordValue  string           `json:"record_value" doc:"text of the TXT record to publish; empty after a lapse"`
	Fault        string           `json:"fault"`
	Warnings     []string         `json:"warnings"`
}

func viewDomain(d *workspace.DomainClaim, known []string) domainView {
	return domainView{
		Domain: d.Domain, Unicode: sync.ShowDomain(d.Domain), State: string(d.State), Contested: d.ContestedAt != 0, Claimer: d.Claimer,
		ClaimedAt: d.ClaimedAt, VerifiedAt: d.VerifiedAt, ProvedAt: d.ProvedAt, CheckedAt: d.CheckedAt, MissingSince: d.MissingSince,
		RecordName: sync.RecordName(d.Domain), RecordValue: d.Challenge, Fault: d.Fault, Warnings: orEmpty(sync.DomainWarnings(d.Domain, known)),
	}
}

// readDomain reads a claim by its name, in either form.
func readDomain(r *store.Reader, name string) (domainView, error) {
	d, err := r.Domain(fold.Domain(name))
	if err != nil {
		return domainView{}, err
	}
	all, err := r.Domains()
	if err != nil {
		return domainView{}, err
	}
	return viewDomain(&d, namesOf(all)), nil
}

func namesOf(claims []workspace.DomainClaim) []string {
	out := make([]string, len(claims))
	for i := range claims {
		out[i] = claims[i].Domain
	}
	return out
}

func listDomains(x *exchange) (*reply, error) {
	var known []string
	return listed(x, func(r *store.Reader, after string, limit int) ([]workspace.DomainClaim, error) {
		all, err := r.Domains() // a workspace has a handful
		known = namesOf(all)
		for len(all) > 0 && all[0].Domain <= after {
			all = all[1:]
		}
		return all[:min(limit, len(all))], err
	}, func(d workspace.DomainClaim) string { return d.Domain },
		func(_ *store.Reader, d workspace.DomainClaim) (domainView, error) { return viewDomain(&d, known), nil })
}

func getDomain(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (domainView, error) { return readDomain(r, x.path["domain"]) })
}

type claimBody struct {
	Domain string `json:"domain" required:"true" max:"255"`
	Reason string `json:"reason"`
}

func claimDomain(x *exchange, b *claimBody) (*reply, error) {
	return x.edit(change{
		edits: []sync.Edit{{Kind: sync.EditClaim, Domain: b.Domain, Reason: b.Reason}},
		answer: func(r *store.Reader, _ sync.Result) (*reply, error) {
			v, err := readDomain(r, b.Domain)
			if err != nil {
				return nil, err
			}
			return created("/v1/domains/"+v.Domain, v)
		},
	})
}

func verifyDomain(x *exchange) (*reply, error) {
	name := x.path["domain"]
	return x.edit(change{
		by: func(ctx context.Context, b sync.EditBatch) (sync.Result, error) {
			return x.h.engine.VerifyDomain(ctx, sync.DomainCheck{Domain: name, EditBatch: b})
		},
		target: func(r *store.Reader) (any, error) { return readDomain(r, name) },
		answer: func(r *store.Reader, _ sync.Result) (*reply, error) {
			v, err := readDomain(r, name)
			if err != nil {
				return nil, err
			}
			return resource(http.StatusOK, v)
		},
	})
}

func releaseDomain(x *exchange) (*reply, error) {
	name := x.path["domain"]
	return x.edit(change{
		edits:  []sync.Edit{{Kind: sync.EditRelease, Domain: name}},
		target: func(r *store.Reader) (any, error) { return readDomain(r, name) },
		answer: func(*store.Reader, sync.Result) (*reply, error) { return &reply{Status: http.StatusNoContent}, nil },
	})
}
