-- +goose Up
-- Who of a polled directory waits for something that was denied, is held or
-- cannot be had yet, and since when: they are tried again at the next full
-- read, in the order in which they came. By the directory's immutable id, for
-- who is refused as a newcomer has no record. A row may outlive its wish until
-- then.
CREATE TABLE waiting (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  external_id TEXT NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id, external_id)
);
CREATE INDEX waiting_by_time ON waiting (workspace_id, connection_id, since, external_id);
INSERT INTO waiting (workspace_id, connection_id, external_id, since)
  SELECT i.workspace_id, i.connection_id, i.external_id, i.created_at
  FROM identity i JOIN member m ON m.workspace_id = i.workspace_id AND m.member_id = i.member_id
  JOIN connection c ON c.workspace_id = i.workspace_id AND c.connection_id = i.connection_id
  WHERE m.unsettled AND NOT i.deleted AND i.external_id IS NOT NULL AND c.kind <> 'scim';

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('waiting', 'sqlite_autoindex_waiting_1', '1000 1000 500 1'),
--sqlite:   ('waiting', 'waiting_by_time', '1000 1000 500 1 1');
