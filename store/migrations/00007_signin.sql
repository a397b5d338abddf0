-- +goose Up
-- Sessions of people who signed in through an OpenID provider (OS1 to OS5).
-- A session is good while its epoch is the member's, it has not ended and has
-- not run out. Secrets are kept as hashes.
CREATE TABLE session (
  workspace_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  sid TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  cookie_hash TEXT NOT NULL,
  code_hash TEXT NOT NULL,
  code_until BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  auth_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_why TEXT NOT NULL,
  PRIMARY KEY (workspace_id, session_id),
  FOREIGN KEY (workspace_id, member_id) REFERENCES member (workspace_id, member_id)
);
CREATE UNIQUE INDEX session_by_cookie ON session (workspace_id, cookie_hash);
CREATE UNIQUE INDEX session_by_code ON session (workspace_id, code_hash) WHERE code_hash <> '';
CREATE INDEX session_by_sid ON session (workspace_id, connection_id, sid, session_id) WHERE sid <> '';
CREATE INDEX session_by_subject ON session (workspace_id, connection_id, subject, session_id);
CREATE INDEX session_by_member ON session (workspace_id, member_id, expires_at);
CREATE INDEX session_by_end ON session (workspace_id, expires_at);

-- What asks a provider whether an account still answers (OL1 to OL5). sealed
-- is the refresh token, encrypted with a key of the ring; '' once it is gone.
-- turn counts the leases: who writes with an older one is too late (OL2).
CREATE TABLE liveness (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  member_id TEXT NOT NULL,
  sealed TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('idle','refreshing','lost','revoke')),
  turn BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  verdict TEXT NOT NULL,
  code TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  alive_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, subject),
  FOREIGN KEY (workspace_id, member_id) REFERENCES member (workspace_id, member_id)
);
CREATE INDEX liveness_due ON liveness (workspace_id, connection_id, next_at) WHERE state <> 'lost';
CREATE INDEX liveness_by_member ON liveness (workspace_id, member_id);

-- Ids of tokens that were taken, so that none is taken twice (OI3, OI4).
CREATE TABLE signal_seen (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  jti_hash TEXT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, jti_hash)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX signal_seen_until ON signal_seen (workspace_id, until);

-- How a connection's signals arrive (ON4, SI3).
CREATE TABLE signal_state (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  heard_at BIGINT NOT NULL,
  taken BIGINT NOT NULL,
  unknown BIGINT NOT NULL,
  cause TEXT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id)
);
