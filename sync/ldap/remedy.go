package ldap

import "fmt"

// remedy says how to give the bind account a right to read a subtree, on each
// kind of server.
func (c *checkup) remedy(base string) string {
	who := c.cfg.BindDN
	if who == "" {
		who = "the client certificate's name"
	}
	if base == "" {
		base = c.l.root.suffix
	}
	switch c.plan.flavor {
	case AD:
		return fmt.Sprintf(`dsacls "%s" /I:T /G "%s:GR"   (or Delegate Control: Read all properties)`, base, who)
	case DS389:
		return fmt.Sprintf(`add to %s: aci: (targetattr != "userPassword")(version 3.0; acl "rollcall"; allow (read, search, compare) userdn = "ldap:///%s";)`, base, who)
	default:
		return fmt.Sprintf(`olcAccess: to dn.subtree="%s" by dn.exact="%s" read by * break   (after the rule for userPassword, before the others)`, base, who)
	}
}
