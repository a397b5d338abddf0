-- +goose Up
-- What somebody has proved at an identity provider who may join, between the
-- page that says so and its button (OS3). The text is encrypted with a key
-- that only the browser can make; the row is deleted when it is used.
CREATE TABLE join_offer (
  workspace_id TEXT NOT NULL,
  offer TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  sealed TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, offer)
);
CREATE INDEX join_offer_by_time ON join_offer (workspace_id, expires_at);

-- ON1: the hosts to which a provider's own documents led when a connection was
-- first used; waiting is another one that a person has not approved.
CREATE TABLE endpoint_host (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  document TEXT NOT NULL,
  name TEXT NOT NULL,
  host TEXT NOT NULL,
  seen_at BIGINT NOT NULL,
  waiting TEXT NOT NULL DEFAULT '',
  waiting_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace_id, connection_id, document, name)
);

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('join_offer', 'sqlite_autoindex_join_offer_1', '1000 1000 1'),
--sqlite:   ('join_offer', 'join_offer_by_time', '1000 1000 1'),
--sqlite:   ('endpoint_host', 'sqlite_autoindex_endpoint_host_1', '1000 100 10 5 1');
