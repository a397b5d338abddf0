package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// statusError is an answer other than 200. It shows no body: a body may hold
// what the request held.
type statusError struct {
	Status     int
	RetryAfter string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the provider answers %d %s", e.Status, http.StatusText(e.Status))
}

// fetch reads a JSON document; bearer, if not "", goes with it.
func fetch(ctx context.Context, client *http.Client, url, bearer string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return do(client, req)
}

// do sends a request and reads the whole answer.
func do(client *http.Client, req *http.Request) (body []byte, err error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return body, &statusError{Status: res.StatusCode, RetryAfter: res.Header.Get("Retry-After")}
	}
	return body, nil
}
