-- +goose Up
-- T0 to T4 of each end of access (leavers-and-events 1): written with the cut,
-- filled in as the store is read back and receivers acknowledge and prove it.
-- Zero is not yet, or not stated; check_at is when to look next, zero for never.
CREATE TABLE leaver (
  workspace_id TEXT NOT NULL REFERENCES workspace (workspace_id),
  member_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  t0 BIGINT NOT NULL,
  t1 BIGINT NOT NULL,
  t2 BIGINT NOT NULL,
  t3 BIGINT NOT NULL,
  t4 BIGINT NOT NULL,
  closed_at BIGINT NOT NULL,
  check_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, member_id, run_id)
);
CREATE INDEX leaver_check ON leaver (workspace_id, check_at) WHERE check_at > 0;
CREATE INDEX leaver_by_time ON leaver (workspace_id, t2);

-- What is wrong and needs a person (domain section 14). One of a code is open
-- for a subject at a time.
CREATE TABLE finding (
  workspace_id TEXT NOT NULL REFERENCES workspace (workspace_id),
  finding_id TEXT NOT NULL,
  code TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('critical','high','warning','info')),
  subject_type TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  text TEXT NOT NULL,
  remedy TEXT NOT NULL,
  opened_at BIGINT NOT NULL,
  opened_run TEXT NOT NULL,
  closed_at BIGINT NOT NULL,
  closed_run TEXT NOT NULL,
  PRIMARY KEY (workspace_id, finding_id)
);
CREATE UNIQUE INDEX finding_open ON finding (workspace_id, code, subject_type, subject_id) WHERE closed_at = 0;

-- O4: whom the primary Owner has named to follow, in their order.
CREATE TABLE successor (
  workspace_id TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  place BIGINT NOT NULL CHECK (place BETWEEN 1 AND 3),
  member_id TEXT NOT NULL,
  confirmed_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, owner_id, place),
  FOREIGN KEY (workspace_id, owner_id) REFERENCES member (workspace_id, member_id),
  FOREIGN KEY (workspace_id, member_id) REFERENCES member (workspace_id, member_id)
);

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('leaver', 'sqlite_autoindex_leaver_1', '40000 40000 2 1'),
--sqlite:   ('leaver', 'leaver_check', '100 100 2'),
--sqlite:   ('leaver', 'leaver_by_time', '40000 40000 1'),
--sqlite:   ('successor', 'sqlite_autoindex_successor_1', '3 3 3 1'),
--sqlite:   ('finding', 'sqlite_autoindex_finding_1', '1000 1000 1'),
--sqlite:   ('finding', 'finding_open', '100 100 20 10 1');
