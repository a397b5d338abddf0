-- +goose Up
-- What polls must remember between runs.

-- AB1: a person whom a whole read did not name. The row goes when they are
-- seen again or have been ended.
CREATE TABLE absence (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  identity_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  server TEXT NOT NULL,
  first_missed_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, identity_id)
);

-- BR: what counts against a limit in the sliding window. What a person
-- approved is not written, and so leaves the window.
CREATE TABLE brake_count (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  name TEXT NOT NULL,
  subject TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, name, subject)
);
CREATE INDEX brake_count_window ON brake_count (workspace_id, connection_id, name, at);

-- RD6, RD8, QU: the health of a polled connection.
CREATE TABLE poll_state (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  server TEXT NOT NULL,
  tenant TEXT NOT NULL,
  mark TEXT NOT NULL,
  counts TEXT NOT NULL,
  failures BIGINT NOT NULL,
  failing_since BIGINT NOT NULL,
  cause TEXT NOT NULL,
  next_at BIGINT NOT NULL,
  last_full_at BIGINT NOT NULL,
  last_sweep_at BIGINT NOT NULL,
  first_run_held BOOLEAN NOT NULL,
  PRIMARY KEY (workspace_id, connection_id)
);

-- Members are named by DN, nested groups too.
CREATE INDEX dirgroup_by_dn ON dirgroup (workspace_id, connection_id, dn) WHERE dn IS NOT NULL;

-- Timers ask for what is due.
CREATE INDEX number_quarantine ON number (workspace_id, quarantine_until) WHERE state = 'quarantined';
CREATE INDEX invitation_due ON invitation (workspace_id, expires_at) WHERE state = 'pending';

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('absence', 'sqlite_autoindex_absence_1', '1000 1000 500 1'),
--sqlite:   ('brake_count', 'sqlite_autoindex_brake_count_1', '10000 10000 5000 1000 1'),
--sqlite:   ('brake_count', 'brake_count_window', '10000 10000 5000 1000 2'),
--sqlite:   ('dirgroup', 'dirgroup_by_dn', '2500 2500 2500 1'),
--sqlite:   ('number', 'number_quarantine', '1000 1000 2'),
--sqlite:   ('invitation', 'invitation_due', '1000 1000 2'),
--sqlite:   ('poll_state', 'sqlite_autoindex_poll_state_1', '100 100 1');
