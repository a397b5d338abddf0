-- +goose Up
-- What became free, by the unit that freed it: a number, a seat, an address.
-- Those who wait for it are tried again soon, then the row goes.
CREATE TABLE freed (
  workspace_id TEXT NOT NULL,
  freed_at BIGINT NOT NULL,
  freed_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('number', 'seat', 'address')),
  object TEXT NOT NULL,
  PRIMARY KEY (workspace_id, freed_at, freed_id)
);

-- What somebody waits for, so that a freed thing is offered to nobody else.
-- People of connections that push wait from now on too, under their record's
-- id: the directory's own is optional there.
ALTER TABLE waiting ADD COLUMN wants_number BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE waiting ADD COLUMN wants_seat BOOLEAN NOT NULL DEFAULT TRUE;
CREATE INDEX waiting_for_number ON waiting (workspace_id, since, connection_id, external_id) WHERE wants_number;
CREATE INDEX waiting_for_seat ON waiting (workspace_id, since, connection_id, external_id) WHERE wants_seat;
INSERT INTO waiting (workspace_id, connection_id, external_id, since)
  SELECT i.workspace_id, i.connection_id, i.identity_id, i.created_at
  FROM identity i JOIN member m ON m.workspace_id = i.workspace_id AND m.member_id = i.member_id
  JOIN connection c ON c.workspace_id = i.workspace_id AND c.connection_id = i.connection_id
  WHERE m.unsettled AND NOT i.deleted AND c.kind = 'scim'
  ON CONFLICT (workspace_id, connection_id, external_id) DO NOTHING;

-- Whom a directory is to be asked about, noted with what gave reason to ask:
-- the answer must come though the process ends before it has asked.
CREATE TABLE asking (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  external_id TEXT NOT NULL,
  noted_at BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  trigger_name TEXT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, external_id)
);
CREATE INDEX asking_due ON asking (workspace_id, next_at);

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('freed', 'sqlite_autoindex_freed_1', '100 100 1 1'),
--sqlite:   ('waiting', 'waiting_for_number', '1000 1000 2 1 1'),
--sqlite:   ('waiting', 'waiting_for_seat', '1000 1000 2 1 1'),
--sqlite:   ('asking', 'sqlite_autoindex_asking_1', '100 100 50 1'),
--sqlite:   ('asking', 'asking_due', '100 100 1');
