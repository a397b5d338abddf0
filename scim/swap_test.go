package scim

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestSwap: a lost race is run again, so many times; never after the client
// named the version or has its answer.
func TestSwap(t *testing.T) {
	t.Parallel()
	stale := fmt.Errorf("user 1: %w", workspace.ErrStale)
	other := errors.New("other")
	for _, tt := range []struct {
		name    string
		ifMatch string
		begun   bool
		lost    int // races, before last is the outcome
		last    error
		runs    int
		want    int // status; 0 is none
	}{
		{"at once", "", false, 0, nil, 1, 0},
		{"after two", "", false, 2, nil, 3, 0},
		{"three lost", "", false, 3, nil, 3, http.StatusConflict},
		{"another error", "", false, 1, other, 2, http.StatusInternalServerError},
		{"named the version", `W/"3"`, false, 1, nil, 1, http.StatusPreconditionFailed},
		{"has its answer", "", true, 1, nil, 1, http.StatusConflict},
	} {
		x := &exchange{r: httptest.NewRequest(http.MethodPut, "/scim/v2/Users/1", nil), begun: tt.begun}
		if tt.ifMatch != "" {
			x.r.Header.Set("If-Match", tt.ifMatch)
		}
		runs := 0
		err := x.swap(3, func() error {
			if runs++; runs <= tt.lost {
				return stale
			}
			return tt.last
		}, func() (int64, error) { return 7, nil })
		status := 0
		if e := ToError(err); e != nil {
			status = e.Status
		}
		if runs != tt.runs || status != tt.want {
			t.Errorf("%s: %d runs, status %d; want %d and %d", tt.name, runs, status, tt.runs, tt.want)
		}
	}
}

// TestDeleteGroupAmongWriters: who deletes a group while members come and go
// is not told to send it again, and who comes too late finds no group.
func TestDeleteGroupAmongWriters(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { deleteAmongWriters(t, liteURL(t)) })
	t.Run("postgres", func(t *testing.T) { deleteAmongWriters(t, storetest.Postgres(t)) })
}

func deleteAmongWriters(t *testing.T, url string) {
	p := newProvider(t, providerOptions{url: url})
	var ids []string
	for i := range 8 {
		ids = append(ids, p.request("okta", "POST", "/Users", userBody(fmt.Sprintf("u%d@acme.com", i))).is(http.StatusCreated).text("id"))
	}
	for round := range 5 {
		group := p.request("okta", "POST", "/Groups", fmt.Sprintf(`{"displayName":"G%d"}`, round)).is(http.StatusCreated).text("id")
		done := make(chan int)
		for _, id := range ids {
			go func() {
				done <- p.request("okta", "PATCH", "/Groups/"+group, patchBody(`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`)).status
			}()
		}
		p.request("okta", "DELETE", "/Groups/"+group, "").is(http.StatusNoContent)
		for range ids {
			if status := <-done; status != http.StatusNoContent && status != http.StatusNotFound {
				t.Errorf("a member was answered %d", status)
			}
		}
	}
}
