package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var updateScripts = flag.Bool("update", false, "write the expected output into the scripts")

// TestMain makes the test binary the command itself, so that scripts run the
// real program in processes of their own (house rule 9).
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rollcall": killable})
}

// TestScripts runs testdata/script/*.txtar. Beside rollcall itself they have
// the commands of commands_test.go.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *updateScripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// HOME is not there on purpose: nothing of the tester's own counts.
			env.Setenv("TZ", "America/New_York") // output is in UTC whatever the machine thinks
			return os.WriteFile(filepath.Join(env.WorkDir, "rollcall.yaml"), []byte(scriptConfig), 0o600)
		},
		Cmds: scriptCommands,
	})
}

// scriptConfig is the configuration of a script that brings none of its own.
const scriptConfig = `listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
database: sqlite:rollcall.db
workspaces:
  - id: acme
    name: Acme Inc
    owners: [ann@acme.com]
    connections:
      - {id: okta, kind: scim, profile: okta, rate: 100000}
      - {id: entra, kind: scim, profile: entra, rate: 100000}
    mapping: mapping.yaml
`
