-- +goose Up
-- What SCIM requests a connection sent and what became of each, for as long as
-- the configuration says. The id is a UUIDv7, so that its order is that of
-- time. Bodies come without secrets.
CREATE TABLE request (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  query TEXT NOT NULL,
  status BIGINT NOT NULL,
  verdict TEXT NOT NULL,
  detail TEXT NOT NULL,
  run_id TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  person_key TEXT NOT NULL,
  tolerances TEXT NOT NULL,
  token_id TEXT NOT NULL,
  ip TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  took_us BIGINT NOT NULL,
  body_bytes BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, request_id),
  FOREIGN KEY (workspace_id, connection_id) REFERENCES connection (workspace_id, connection_id)
);

-- How often a connection needed a tolerance (TL01 to TL15), on which
-- attribute, and how often its traffic looked like another client's.
CREATE TABLE tolerance (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  rule TEXT NOT NULL,
  attribute TEXT NOT NULL,
  used BIGINT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, rule, attribute),
  FOREIGN KEY (workspace_id, connection_id) REFERENCES connection (workspace_id, connection_id)
)
--sqlite: WITHOUT ROWID
;

-- Beside static bearer tokens: OAuth clients (RFC 6749 section 4.4), and the
-- access tokens that they are given for an hour. jwks holds the public keys of
-- a client that signs its requests (RFC 7523). warned is the least number of
-- days before the end that was warned of.
ALTER TABLE token ADD COLUMN kind TEXT NOT NULL DEFAULT 'bearer' CHECK (kind IN ('bearer','client','access'));
ALTER TABLE token ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN jwks TEXT NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN warned BIGINT NOT NULL DEFAULT 0;
CREATE INDEX token_by_client ON token (workspace_id, client_id) WHERE client_id <> '';

-- How often what a User shows beside its record has changed: with the record's
-- version it makes the version on the wire (ETag).
ALTER TABLE identity ADD COLUMN moved BIGINT NOT NULL DEFAULT 0;

-- Signed requests of clients count once (RFC 7523 section 3).
CREATE TABLE oauth_assertion (
  workspace_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  jti TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, client_id, jti)
)
--sqlite: WITHOUT ROWID
;

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('request', 'sqlite_autoindex_request_1', '50000 50000 25000 1'),
--sqlite:   ('token', 'token_by_client', '100 100 2');
