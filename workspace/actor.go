package workspace

// ActorKind says what kind of actor asks for a change.
type ActorKind string

// The kinds of actor of domain section 7.
const (
	ActorMember     ActorKind = "member"     // a person, through console or API
	ActorConnection ActorKind = "connection" // an IdP's access
	ActorOperator   ActorKind = "operator"   // the command line, for a named member
	ActorSystem     ActorKind = "system"     // timers: grace end, expiry
)

// Channel is the way in.
type Channel string

// The channels; R23 forbids removals by ChannelMobile.
const (
	ChannelSCIM    Channel = "scim"
	ChannelSync    Channel = "sync"
	ChannelSignin  Channel = "signin"
	ChannelAPI     Channel = "api"
	ChannelConsole Channel = "console"
	ChannelCLI     Channel = "cli"
	ChannelMobile  Channel = "mobile"
)

// Actor is who changes something, and with what authority.
type Actor struct {
	Kind ActorKind
	ID   string // member id, connection id, or "system"
	// Label is how a person knows the actor: an address or a connection id.
	Label string
	// Role is the effective authority: for a connection the smaller of
	// acts_as and the sponsor's role now. System acts as Owner but is held
	// to the rules for connections where owners are concerned.
	Role Role
	// Sponsor is the member a connection acts for.
	Sponsor      string
	SponsorLabel string
	// SponsorLost: the sponsor is gone or lowered; reductions go on with
	// the authority last held, expansions hold (SPONSOR, F12).
	SponsorLost bool
	Channel     Channel
	TokenID     string
	IP          string
	UserAgent   string
}

// Person reports whether the actor is a human being.
func (a Actor) Person() bool { return a.Kind == ActorMember || a.Kind == ActorOperator }
