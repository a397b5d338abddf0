// An OpenID provider for tests: the npm package oidc-provider with people who can be switched off. It reads one JSON object
// per line from standard input ({"disable": "u-bo"}, {"enable": "u-bo"}, {"groups": {"u-bo": ["a"]}}), answers each with a
// line, and ends with it. The first line that it writes is its port.
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

// A fourth argument is the address of the client's public keys: it proves itself with them then, and has no secret.
const [issuer, redirect, backchannel, jwks] = process.argv.slice(2);
const proof = jwks
  ? { token_endpoint_auth_method: "private_key_jwt", token_endpoint_auth_signing_alg: "ES256", jwks_uri: jwks }
  : { client_secret: "canary-node-secret" };
const disabled = new Set();
const groups = {};

const provider = new Provider(issuer, {
  clients: [{
    client_id: "rollcall",
    ...proof,
    redirect_uris: [redirect],
    grant_types: ["authorization_code", "refresh_token"],
    backchannel_logout_uri: backchannel,
    backchannel_logout_session_required: false,
  }],
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    revocation: { enabled: true },
  },
  pkce: { required: () => true },
  claims: { openid: ["sub", "groups"], email: ["email", "email_verified"], profile: ["name", "preferred_username"] },
  conformIdTokenClaims: false,
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  cookies: { keys: ["a-key-of-a-test"] },
  ttl: { AccessToken: 60, IdToken: 300, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
  // A call to this machine must be allowed: the provider of a test calls a Rollcall of a test.
  fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined, agent: undefined }),
  async findAccount(_ctx, id) {
    if (disabled.has(id)) return undefined;
    return {
      accountId: id,
      claims: async () => ({
        sub: id, email: `${id}@acme.com`, email_verified: true, name: id, preferred_username: id,
        ...(groups[id] ? { groups: groups[id] } : {}),
      }),
    };
  },
});
provider.on("server_error", (_ctx, err) => console.error(err));
provider.on("backchannel.error", (_ctx, err) => console.error("backchannel", err));

const server = provider.listen(0, "127.0.0.1", () => console.log(server.address().port));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const order = JSON.parse(line);
  if (order.disable) disabled.add(order.disable);
  if (order.enable) disabled.delete(order.enable);
  Object.assign(groups, order.groups ?? {});
  console.log("ok");
});
lines.on("close", () => process.exit(0));
