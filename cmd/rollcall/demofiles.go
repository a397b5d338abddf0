package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// demoFiles are the company: configuration, mapping, numbers, people.
//
//go:embed demo
var demoFiles embed.FS

// demoPerson is one row of demo/people.csv.
type demoPerson struct {
	idp, user, given, family, title, department, city, country, manager string
	id                                                                  string // of the SCIM User, once it is made
}

func (p *demoPerson) email() string { return p.user + "@acme.com" }
func (p *demoPerson) name() string  { return p.given + " " + p.family }

// demoPeople reads the people of one identity provider.
func demoPeople(idp string) ([]*demoPerson, error) {
	text, err := demoFiles.ReadFile("demo/people.csv")
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("demo/people.csv: %w", err)
	}
	var people []*demoPerson
	for _, r := range rows[1:] {
		if r[0] == idp {
			people = append(people, &demoPerson{
				idp: r[0], user: r[1], given: r[2], family: r[3], title: r[4], department: r[5],
				city: r[6], country: r[7], manager: r[8],
			})
		}
	}
	return people, nil
}

// writeFiles puts the demo's files into its folder and returns the path of the
// configuration.
func (c *demoCmd) writeFiles(dir string) (string, error) {
	if err := loopbackHost(c.Listen); err != nil {
		return "", err
	}
	ctx := context.Background()
	listen, err := freeAddress(ctx, c.Listen)
	if err != nil {
		return "", err
	}
	admin, err := freeAddress(ctx, "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	fill := strings.NewReplacer("LISTEN", listen, "ADMIN", admin)
	for _, name := range []string{"rollcall.yaml", "mapping.yaml", "numbers.csv"} {
		text, err := demoFiles.ReadFile("demo/" + name)
		if err != nil {
			return "", err
		}
		if name == "rollcall.yaml" {
			text = []byte(fill.Replace(string(text)))
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "rollcall.yaml"), nil
}
