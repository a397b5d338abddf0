package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// play is one performance of the demo. What an operator would type runs as a
// command of this program; what identity providers do goes over HTTP.
type play struct {
	ctx          context.Context
	env          *environment
	dir, file    string
	url, admin   string
	okta, entra  *idp
	oslo, london []*demoPerson
}

// perform plays all scenes.
func (p *play) perform() error {
	for _, scene := range []func() error{p.prologue, p.tokens, p.oktaPushes, p.entraPushes, p.leavers, p.raise, p.ownerWish, p.epilogue} {
		if err := errors.Join(p.ctx.Err(), scene()); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) title(text string) error {
	return say(p.env.out, "\n== %s %s\n", text, strings.Repeat("=", max(3, 100-len(text))))
}

func (p *play) say(format string, args ...any) error { return say(p.env.out, format, args...) }

// command runs one command as a second terminal would, shows it, and wants an
// exit code.
func (p *play) command(want int, args ...string) error {
	shown := make([]string, len(args))
	for i, arg := range args {
		shown[i] = strings.TrimPrefix(arg, p.dir+string(filepath.Separator))
		if strings.Contains(arg, " ") {
			shown[i] = `"` + arg + `"`
		}
	}
	if err := p.say("$ rollcall %s", strings.Join(shown, " ")); err != nil {
		return err
	}
	// One stream, so that errors stand where a terminal would show them.
	return p.quiet(&environment{out: p.env.out, err: p.env.out}, want, args...)
}

func (p *play) quiet(env *environment, want int, args ...string) error {
	if code := run(p.ctx, append(args, "--config", p.file), env); code != want {
		return fmt.Errorf("rollcall %s: exit %d, the demo expects %d", strings.Join(args, " "), code, want)
	}
	return nil
}

func (p *play) prologue() error {
	return errors.Join(
		p.title("Acme Inc: 24 people in Oslo with Okta, 16 in London with Entra ID"),
		p.say("SCIM     %s\nfiles    %s\n", p.url, p.dir),
		p.command(exitDone, "check-config"),
		p.say(""),
		p.command(exitDone, "numbers", "import", filepath.Join(p.dir, "numbers.csv"), "--dry-run"),
		p.command(exitDone, "numbers", "import", filepath.Join(p.dir, "numbers.csv")),
	)
}

// tokens makes a token for each identity provider, in files of their own.
func (p *play) tokens() (err error) {
	for _, name := range []string{"okta", "entra"} {
		var out bytes.Buffer
		if err := p.quiet(&environment{out: &out, err: p.env.err}, exitDone, "token", "create", "--connection", name); err != nil {
			return err
		}
		if err := os.WriteFile(p.tokenFile(name), out.Bytes(), 0o600); err != nil {
			return err
		}
		if err := p.say("$ rollcall token create --connection %s > %s", name, filepath.Base(p.tokenFile(name))); err != nil {
			return err
		}
		i := newIDP(p.ctx, name, p.url, strings.TrimSpace(out.String()))
		if name == "okta" {
			p.okta = i
		} else {
			p.entra = i
		}
	}
	if p.oslo, err = demoPeople("okta"); err != nil {
		return err
	}
	p.london, err = demoPeople("entra")
	return err
}

func (p *play) tokenFile(name string) string { return filepath.Join(p.dir, name+".token") }

// oktaPushes is Okta: test, import question, create, push groups.
func (p *play) oktaPushes() error {
	if err := p.title("Okta assigns 24 people and pushes a group"); err != nil {
		return err
	}
	if _, err := p.okta.send(http.StatusOK, http.MethodGet, "/Users", "startIndex=1&count=2", nil); err != nil {
		return err
	}
	if _, err := p.okta.send(http.StatusOK, http.MethodGet, "/Groups", "startIndex=1&count=100", nil); err != nil {
		return err
	}
	ids := map[string]string{}
	for n, person := range p.oslo {
		if _, err := p.okta.lookup(person.email()); err != nil {
			return err
		}
		made, err := p.okta.send(http.StatusCreated, http.MethodPost, "/Users", "", oktaUser(person, n, ids[person.manager]))
		if err != nil {
			return err
		}
		person.id, ids[person.user] = made.ID, made.ID
	}
	group, err := p.okta.send(http.StatusCreated, http.MethodPost, "/Groups", "", object{"schemas": []string{urnGroup}, "displayName": "reception"})
	if err != nil {
		return err
	}
	var desk []object
	for _, person := range p.oslo {
		if person.title == "Receptionist" {
			desk = append(desk, object{"value": person.id, "display": person.email()})
		}
	}
	if _, err := p.okta.patch(http.StatusNoContent, "/Groups/"+group.ID, object{"op": "add", "path": "members", "value": desk}); err != nil {
		return err
	}
	return errors.Join(p.okta.tell(p.env.out), p.say("\nThe group reception shares a number; this is the report of that request:\n"),
		p.command(exitDone, "report", "last"))
}

// entraPushes is Entra: test, match, create, managers by PATCH.
func (p *play) entraPushes() error {
	if err := p.title("Entra ID provisions 16 people"); err != nil {
		return err
	}
	if _, err := p.entra.lookup(uuid.NewString()); err != nil {
		return err
	}
	ids := map[string]string{}
	for n, person := range p.london {
		if _, err := p.entra.lookup(person.email()); err != nil {
			return err
		}
		made, err := p.entra.send(http.StatusCreated, http.MethodPost, "/Users", "", entraUser(person, n))
		if err != nil {
			return err
		}
		person.id, ids[person.user] = made.ID, made.ID
	}
	for _, person := range p.london {
		if person.manager == "" {
			continue
		}
		if _, err := p.entra.patch(http.StatusOK, "/Users/"+person.id,
			object{"op": "Add", "path": urnEnterprise + ":manager", "value": ids[person.manager]}); err != nil {
			return err
		}
	}
	return errors.Join(p.entra.tell(p.env.out), p.say(""), p.command(exitDone, "members", "list", "--group", "Sales"))
}

// leavers are one person at each identity provider.
func (p *play) leavers() error {
	if err := p.title("Two people leave: Okta and Entra each say so in their own way"); err != nil {
		return err
	}
	eva, jack := find(p.oslo, "eva.lund"), find(p.london, "jack.jones")
	if _, err := p.okta.patch(http.StatusOK, "/Users/"+eva.id, object{"op": "replace", "value": object{"active": false}}); err != nil {
		return err
	}
	if err := errors.Join(p.okta.tell(p.env.out), p.command(exitDone, "report", "last")); err != nil {
		return err
	}
	if _, err := p.entra.patch(http.StatusOK, "/Users/"+jack.id, object{"op": "Replace", "path": "active", "value": "False"}); err != nil {
		return err
	}
	return errors.Join(p.say(""), p.entra.tell(p.env.out), p.command(exitDone, "report", "last"))
}

func find(people []*demoPerson, user string) *demoPerson {
	for _, p := range people {
		if p.user == user {
			return p
		}
	}
	panic("demo/people.csv has no " + user)
}

// raise puts somebody into the group that gives the role Admin.
func (p *play) raise() error {
	if err := p.title("Entra puts Nora into phone-admins, which would make her an Admin: held, shown, approved"); err != nil {
		return err
	}
	nora := find(p.london, "nora.mills")
	group, err := p.entra.send(http.StatusCreated, http.MethodPost, "/Groups", "", object{
		"schemas": []string{urnGroup, urnEntraGroup}, "externalId": uuid.NewString(), "displayName": "phone-admins",
		"meta": object{"resourceType": "Group"},
	})
	if err != nil {
		return err
	}
	if _, err := p.entra.patch(http.StatusNoContent, "/Groups/"+group.ID,
		object{"op": "Add", "path": "members", "value": []object{{"$ref": nil, "value": nora.id}}}); err != nil {
		return err
	}
	if err := errors.Join(p.entra.tell(p.env.out), p.command(exitHeld, "report", "last"), p.say(""), p.command(exitHeld, "plan")); err != nil {
		return err
	}
	hash, err := p.heldPlan()
	if err != nil {
		return err
	}
	return errors.Join(
		p.say("\nAnn answers for the rule and for the connection, so she may not approve it herself:\n"),
		p.command(exitFailed, "approve", hash, "--as", "ann@acme.com"),
		p.say("\nOlav, the other Owner, may:\n"),
		p.command(exitDone, "approve", hash, "--as", "olav@acme.com", "--reason", "agreed with her team lead"),
		p.say(""),
		p.command(exitDone, "members", "show", "nora.mills@acme.com"),
	)
}

// heldPlan reads the hash of the newest held plan, as an operator would.
func (p *play) heldPlan() (string, error) {
	var out bytes.Buffer
	if err := p.quiet(&environment{out: &out, err: p.env.err}, exitHeld, "plan", "--format", "csv"); err != nil {
		return "", err
	}
	_, row, _ := strings.Cut(out.String(), "\n")
	hash, _, _ := strings.Cut(row, ",")
	return shortHash(hash), nil
}

// ownerWish asks for what no connection gives.
func (p *play) ownerWish() error {
	if err := p.title("Okta asks that Cy be an Owner: refused, by row M13"); err != nil {
		return err
	}
	cy := find(p.oslo, "cy.dahl")
	answer, err := p.okta.patch(http.StatusForbidden, "/Users/"+cy.id,
		object{"op": "replace", "value": object{urnRollcall: object{"role": "Owner"}}})
	if err != nil {
		return err
	}
	return errors.Join(p.okta.tell(p.env.out), p.say("         %s\n", clean(answer.Detail)), p.command(exitHeld, "report", "last"))
}

// epilogue shows where the company stands.
func (p *play) epilogue() error {
	return errors.Join(
		p.title("Where Acme stands"),
		p.command(exitDone, "groups", "list"), p.say(""),
		p.command(exitDone, "members", "list", "--role", "admin"), p.say(""),
		p.command(exitDone, "members", "list", "--state", "deactivated"), p.say(""),
		p.command(exitDone, "numbers", "show", "+4723000000"), p.say(""),
		p.command(exitDone, "runs", "list"), p.say(""),
		p.command(exitDone, "health"),
	)
}

// invite says what to try in a second terminal.
func (p *play) invite() error {
	program := "rollcall"
	if path, err := os.Executable(); err == nil {
		program = path
	}
	return p.say(`
== It serves on until Ctrl-C; try in a second terminal ===========================================

  alias rollcall='%s'
  cd %s
  rollcall members list
  rollcall members remove cy.dahl@acme.com --as ann@acme.com --dry-run
  rollcall report last --format json
  curl -sS '%s/Users?filter=userName%%20eq%%20%%22bo.berg@acme.com%%22' -H "Authorization: Bearer $(cat okta.token)"
  curl -sS http://%s/metrics | grep rollcall_`, program, p.dir, p.url, p.admin)
}
