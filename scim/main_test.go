package scim

import (
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
