package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// keyed is the example's storage with a client that proves itself with a key
// (private_key_jwt).
type keyed struct {
	*storage.Storage
	key jose.JSONWebKey
}

// newKeyed reads the client's public key; without a file the storage is given
// back as it is.
func newKeyed(s *storage.Storage, file string) (exampleop.Storage, error) {
	if file == "" {
		return s, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	k := &keyed{Storage: s}
	return k, json.Unmarshal(text, &k.key)
}

// GetKeyByIDAndClientID gives the key by its name.
func (k *keyed) GetKeyByIDAndClientID(_ context.Context, keyID, clientID string) (*jose.JSONWebKey, error) {
	if clientID != "rollcall" || keyID != k.key.KeyID {
		return nil, errors.New("no such key")
	}
	return &k.key, nil
}

// AuthorizeClientIDSecret takes no secret at all.
func (k *keyed) AuthorizeClientIDSecret(context.Context, string, string) error {
	return errors.New("the client has no secret")
}

// GetClientByClientID gives the client with its way to prove itself.
func (k *keyed) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := k.Storage.GetClientByClientID(ctx, id)
	return signing{c}, err
}

// signing is a client that signs.
type signing struct{ op.Client }

// AuthMethod is how the client proves itself.
func (signing) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodPrivateKeyJWT }
