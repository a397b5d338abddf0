package workspace

// InvitationState is where an invitation stands.
type InvitationState string

// The invitation states of domain section 11.
const (
	InvitationPending  InvitationState = "pending"
	InvitationAccepted InvitationState = "accepted"
	InvitationExpired  InvitationState = "expired"
	InvitationRevoked  InvitationState = "revoked"
)

// Invitation offers membership to an e-mail address, with a role and numbers
// given in advance. At most one is pending per folded address.
type Invitation struct {
	ID        string
	Email     string
	EmailKey  string
	Role      Role
	State     InvitationState
	Inviter   string   // member id
	Numbers   []string // number ids given in advance
	TokenHash string   // hex SHA-256 of the link's secret; never the secret
	Held      bool     // sent by somebody who has left: waits for a person
	CreatedAt Micros
	ExpiresAt Micros
	Version   int64
}
