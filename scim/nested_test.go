package scim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestGroupsFilterSeesWhatIsShown: a filter over groups sees the groups above a
// group too, as answers show them.
func TestGroupsFilterSeesWhatIsShown(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newProvider(t, providerOptions{url: url})
		user := map[string]string{}
		for _, name := range []string{"ann", "bo", "cy"} {
			user[name] = p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"`+name+`@acme.com"}`).is(http.StatusCreated).text("id")
		}
		group := map[string]string{}
		make := func(name string, members ...string) {
			t.Helper()
			var list []string
			for _, id := range members {
				list = append(list, `{"value":"`+id+`"}`)
			}
			group[name] = p.request("okta", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"`+name+`","members":[`+strings.Join(list, ",")+`]}`).is(http.StatusCreated).text("id")
		}
		find := func(filter string, want ...string) {
			t.Helper()
			for name, id := range group {
				filter = strings.ReplaceAll(filter, "{"+name+"}", id)
			}
			a := p.request("okta", "GET", "/Users?attributes=userName&sortBy=userName&filter="+escapeQuery(filter), "").is(http.StatusOK)
			got := []string{}
			for _, name := range a.found("userName") {
				got = append(got, strings.TrimSuffix(name, "@acme.com"))
			}
			if !slices.Equal(got, want) || int(a.at("totalResults").(float64)) != len(want) {
				t.Errorf("%s finds %v, want %v", filter, got, want)
			}
		}
		make("west", user["ann"])
		make("east", user["bo"])
		find(`groups eq "{west}"`, "ann")
		find(`not (groups pr)`, "cy")
		make("all", group["west"], group["east"]) // from here on groups are nested
		make("top", group["all"])
		find(`groups eq "{west}"`, "ann")
		find(`groups eq "{all}"`, "ann", "bo")
		find(`groups.value eq "{top}"`, "ann", "bo")
		find(`groups[value eq "{top}"] and userName sw "b"`, "bo")
		find(`not (groups eq "{all}")`, "cy")
		find(`groups[value eq "{west}" or value eq "{east}"]`, "ann", "bo")
		find(`groups[value eq "{all}" and type eq "indirect"]`, "ann", "bo")
		find(`groups[value eq "{all}" and type eq "direct"]`, []string{}...)
		find(`groups.display eq "TOP"`, "ann", "bo")
		find(`groups[value eq "{west}" and value eq "{all}"]`, []string{}...)
		find(`groups ne "{west}"`, "ann", "bo", "cy")
		find(`groups pr`, "ann", "bo")
		find(`groups eq "nobody"`, []string{}...)
		a := p.request("okta", "GET", "/Users/"+user["ann"], "").is(http.StatusOK)
		if a.at("groups", 2, "value") == nil {
			t.Errorf("the groups shown: %v", a.at("groups"))
		}
	})
}
