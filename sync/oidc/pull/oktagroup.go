package pull

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// oktaGroups reads groups of Okta, which hold people alone.
type oktaGroups struct{ *okta }

func (o *okta) groups() groupAPI { return oktaGroups{o} }

func (oktaGroups) record(ans *answer, doc map[string]any) (workspace.DirectoryGroup, error) {
	x := workspace.DirectoryGroup{ExternalID: scalar(doc["id"]), ObservedAt: ans.at, Attributes: workspace.Attributes{}}
	if profile, ok := doc["profile"].(map[string]any); ok {
		x.Name = scalar(profile["name"])
	}
	if x.ExternalID == "" || x.Name == "" {
		return x, &sync.IncompleteError{Why: "a group shows no id or no name (data is missing)"}
	}
	return x, nil
}

func (o oktaGroups) lists(ctx context.Context, r *reader, q url.Values, each func(workspace.DirectoryGroup) error) error {
	q.Set("limit", "200")
	return o.list(ctx, r, o.api.url("/api/v1/groups", q), "reading groups", oktaReadGroups, func(ans *answer, doc map[string]any) error {
		x, err := o.record(ans, doc)
		if err != nil {
			return err
		}
		return each(x)
	})
}

// named asks by the beginning of the name, which is not the lagging search.
func (o oktaGroups) named(ctx context.Context, r *reader, name string, each func(workspace.DirectoryGroup) error) error {
	return o.lists(ctx, r, url.Values{"q": {name}}, each)
}

func (o oktaGroups) all(ctx context.Context, r *reader, each func(workspace.DirectoryGroup) error) error {
	return o.lists(ctx, r, url.Values{}, each)
}

func (o oktaGroups) one(ctx context.Context, _ *reader, id string) (workspace.DirectoryGroup, error) {
	var x workspace.DirectoryGroup
	ans, err := o.api.get(ctx, o.api.url("/api/v1/groups/"+url.PathEscape(id), nil), nil)
	if err != nil {
		return x, err
	}
	if ans.status != http.StatusOK {
		return x, o.refused(ans, "reading a group", oktaReadGroups)
	}
	var doc map[string]any
	if err := ans.decode(&doc); err != nil {
		return x, err
	}
	return o.record(ans, doc)
}

func (o oktaGroups) members(ctx context.Context, r *reader, id string, each func([]sync.MemberRef) error) error {
	var refs []sync.MemberRef
	u := o.api.url("/api/v1/groups/"+url.PathEscape(id)+"/users", url.Values{"limit": {fmt.Sprint(o.dir.PageSize)}})
	err := o.list(ctx, r, u, "reading the members of a group", oktaReadGroups, func(_ *answer, doc map[string]any) error {
		who := scalar(doc["id"])
		if who == "" {
			return &sync.IncompleteError{Why: "a member of a group shows no id (data is missing)"}
		}
		if refs = append(refs, sync.MemberRef{ID: who, Kind: "user"}); len(refs) < pageMembers {
			return nil
		}
		full := refs
		refs = nil
		return each(full)
	})
	if err != nil || len(refs) == 0 {
		return err
	}
	return each(refs)
}

// movedGroups reads groups whose record or membership changed, whole.
func (o *okta) movedGroups(ctx context.Context, r *reader, since string, closure []string) ([]string, error) {
	g := &groupRead{reader: r, api: o.groups(), depth: map[string]int{}}
	q := url.Values{"filter": {`lastMembershipUpdated gt "` + since + `" or lastUpdated gt "` + since + `"`}}
	err := oktaGroups{o}.lists(ctx, r, q, func(x workspace.DirectoryGroup) error {
		wanted := o.dir.Groups == oidc.GroupsAll || slices.Contains(closure, x.ExternalID) ||
			slices.ContainsFunc(o.opt.Mapped, func(m Group) bool { return m.names(&x) })
		if !wanted {
			return nil
		}
		return g.take(ctx, x, 0)
	})
	if err == nil {
		err = g.drain(ctx)
	}
	if err != nil {
		return nil, err
	}
	out := append(g.closure(), closure...)
	slices.Sort(out)
	return slices.Compact(out), nil
}
