package pull

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// graphGroups reads groups of Microsoft Graph.
type graphGroups struct{ *graph }

func (g *graph) groups() groupAPI { return graphGroups{g} }

func (graphGroups) record(ans *answer, doc map[string]any) (workspace.DirectoryGroup, error) {
	x := workspace.DirectoryGroup{ExternalID: normalID(scalar(doc["id"])), Name: scalar(doc["displayName"]), ObservedAt: ans.at, Attributes: workspace.Attributes{}}
	if x.ExternalID == "" {
		return x, &sync.IncompleteError{Why: "a group shows no id (data is missing)"}
	}
	return x, nil
}

func (g graphGroups) lists(ctx context.Context, r *reader, q url.Values, each func(workspace.DirectoryGroup) error) error {
	q.Set("$select", "id,displayName")
	_, err := g.list(ctx, r, g.api.url("/v1.0/groups", q), "reading groups", graphReadGroups, func(ans *answer, docs []map[string]any) error {
		for _, doc := range docs {
			x, err := g.record(ans, doc)
			if err == nil {
				err = each(x)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (g graphGroups) named(ctx context.Context, r *reader, name string, each func(workspace.DirectoryGroup) error) error {
	// A quote inside a literal of OData is doubled.
	return g.lists(ctx, r, url.Values{"$filter": {"displayName eq '" + strings.ReplaceAll(name, "'", "''") + "'"}}, each)
}

func (g graphGroups) all(ctx context.Context, r *reader, each func(workspace.DirectoryGroup) error) error {
	return g.lists(ctx, r, url.Values{"$top": {"999"}}, each)
}

func (g graphGroups) one(ctx context.Context, _ *reader, id string) (workspace.DirectoryGroup, error) {
	var x workspace.DirectoryGroup
	ans, err := g.api.get(ctx, g.api.url("/v1.0/groups/"+url.PathEscape(id), url.Values{"$select": {"id,displayName"}}), nil)
	switch {
	case err != nil:
		return x, err
	case ans.status == http.StatusBadRequest:
		return x, errNotFound // a name of a group is no id, and the API says so
	case ans.status != http.StatusOK:
		return x, g.refused(ans, "reading a group", graphReadGroups)
	}
	var doc map[string]any
	if err := ans.decode(&doc); err != nil {
		return x, err
	}
	return g.record(ans, doc)
}

// members reads direct members; one large group comes over many pages.
func (g graphGroups) members(ctx context.Context, r *reader, id string, each func([]sync.MemberRef) error) error {
	u := g.api.url("/v1.0/groups/"+url.PathEscape(id)+"/members", url.Values{"$select": {"id"}, "$top": {"999"}})
	_, err := g.list(ctx, r, u, "reading the members of a group", graphReadGroups, func(_ *answer, docs []map[string]any) error {
		refs, err := graphRefs(docs)
		if err != nil {
			return err
		}
		return each(refs)
	})
	return err
}

// graphRefs makes references of members. Devices and applications are none
// of ours.
func graphRefs(docs []map[string]any) ([]sync.MemberRef, error) {
	refs := make([]sync.MemberRef, 0, len(docs))
	for _, doc := range docs {
		id := normalID(scalar(doc["id"]))
		if id == "" {
			return nil, &sync.IncompleteError{Why: "a member of a group shows no id (data is missing)"}
		}
		switch scalar(doc["@odata.type"]) {
		case "#microsoft.graph.user":
			refs = append(refs, sync.MemberRef{ID: id, Kind: "user"})
		case "#microsoft.graph.group":
			refs = append(refs, sync.MemberRef{ID: id, Kind: "group"})
		case "":
			refs = append(refs, sync.MemberRef{ID: id})
		}
	}
	return refs, nil
}
