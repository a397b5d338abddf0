-- +goose Up
-- The outbox's way out (leavers-and-events 10 to 13). A line is a sink's place
-- in the events of one subject: head of line by construction (OB3).

CREATE TABLE sink (
  workspace_id TEXT NOT NULL REFERENCES workspace (workspace_id),
  sink_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('webhook','push','poll')),
  types TEXT NOT NULL,
  reads_back BOOLEAN NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active','disabled','retired')),
  reason TEXT NOT NULL,
  since BIGINT NOT NULL,
  heartbeat_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, sink_id)
);

CREATE TABLE delivery_line (
  workspace_id TEXT NOT NULL,
  sink_id TEXT NOT NULL,
  subject_type TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  done_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  leaver_seq BIGINT NOT NULL,
  part BIGINT NOT NULL,
  jti TEXT NOT NULL,
  tries BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  holder TEXT NOT NULL,
  lease_us BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  status BIGINT NOT NULL,
  fault TEXT NOT NULL,
  PRIMARY KEY (workspace_id, sink_id, subject_type, subject_id),
  FOREIGN KEY (workspace_id, sink_id) REFERENCES sink (workspace_id, sink_id),
  CHECK (done_seq <= last_seq AND leaver_seq <= last_seq)
);
CREATE INDEX delivery_line_due ON delivery_line (workspace_id, sink_id, due_at) WHERE done_seq < last_seq AND leaver_seq <= done_seq;
CREATE INDEX delivery_line_leaver ON delivery_line (workspace_id, sink_id, due_at) WHERE leaver_seq > done_seq;
CREATE INDEX delivery_line_jti ON delivery_line (workspace_id, sink_id, jti) WHERE jti <> '';

-- Leaver events have their row from the change's own transaction on, others
-- from the moment they are settled.
CREATE TABLE delivery (
  workspace_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  sink_id TEXT NOT NULL,
  subject_type TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  type TEXT NOT NULL,
  leaver BOOLEAN NOT NULL,
  run_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending','acked','superseded','dead','settled')),
  tries BIGINT NOT NULL,
  status BIGINT NOT NULL,
  event_at BIGINT NOT NULL,
  done_at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  sessions BIGINT NOT NULL,
  verify_at BIGINT NOT NULL,
  verify_tries BIGINT NOT NULL,
  verified_at BIGINT NOT NULL,
  settled_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (workspace_id, event_id, sink_id),
  FOREIGN KEY (workspace_id, sink_id) REFERENCES sink (workspace_id, sink_id)
);
CREATE INDEX delivery_undelivered ON delivery (workspace_id, event_at) WHERE leaver AND state = 'pending';
CREATE INDEX delivery_leaver ON delivery (workspace_id, subject_id) WHERE leaver;
CREATE INDEX delivery_dead ON delivery (workspace_id, done_at) WHERE state = 'dead';
CREATE INDEX delivery_done ON delivery (workspace_id, done_at) WHERE done_at > 0;
CREATE INDEX delivery_verify ON delivery (workspace_id, sink_id, verify_at) WHERE verify_at > 0;

-- RF2: what raised or ended whose session epoch, in the order of commits.
CREATE TABLE revocation (
  workspace_id TEXT NOT NULL,
  gen BIGINT NOT NULL,
  leaf_index BIGINT NOT NULL,
  member_id TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  state TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, gen, leaf_index, member_id)
);
CREATE INDEX revocation_by_time ON revocation (workspace_id, at);

-- RF3: a cursor before the horizon has missed rows that are gone.
CREATE TABLE revocation_horizon (
  workspace_id TEXT PRIMARY KEY,
  gen BIGINT NOT NULL,
  leaf_index BIGINT NOT NULL
);

-- Public halves only; /v1/jwks shows those of the last 30 days.
CREATE TABLE signing_key (
  kid TEXT PRIMARY KEY,
  jwk TEXT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL
);

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('sink', 'sqlite_autoindex_sink_1', '4 4 1'),
--sqlite:   ('delivery_line', 'sqlite_autoindex_delivery_line_1', '400000 400000 100000 50000 1'),
--sqlite:   ('delivery_line', 'delivery_line_due', '10000 10000 2500 2'),
--sqlite:   ('delivery_line', 'delivery_line_leaver', '1000 1000 250 2'),
--sqlite:   ('delivery_line', 'delivery_line_jti', '100 100 100 1'),
--sqlite:   ('delivery', 'sqlite_autoindex_delivery_1', '1000000 1000000 4 1'),
--sqlite:   ('delivery', 'delivery_undelivered', '1000 1000 4'),
--sqlite:   ('delivery', 'delivery_leaver', '40000 40000 4'),
--sqlite:   ('delivery', 'delivery_dead', '1000 1000 2'),
--sqlite:   ('delivery', 'delivery_done', '1000000 1000000 4'),
--sqlite:   ('delivery', 'delivery_verify', '1000 1000 500 2'),
--sqlite:   ('revocation', 'sqlite_autoindex_revocation_1', '40000 40000 40000 1 1'),
--sqlite:   ('revocation', 'revocation_by_time', '40000 40000 1');
