// Package claim holds what the world says of a mail domain that a workspace
// claims: its name in both forms, whether anybody may claim it at all, and
// the proof that its owner publishes in DNS (sources section 10). It knows
// neither store nor workspace.
package claim
