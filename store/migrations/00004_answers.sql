-- +goose Up
-- Answers of idempotent requests, sealed by the edge that made them: a request
-- that is sent again within a day gets its answer and does nothing.

CREATE TABLE answer (
  workspace_id TEXT NOT NULL REFERENCES workspace (workspace_id),
  answer_key TEXT NOT NULL,
  request TEXT NOT NULL,
  body TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, answer_key)
);
CREATE INDEX answer_by_time ON answer (workspace_id, at);

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('answer', 'sqlite_autoindex_answer_1', '10000 10000 1'),
--sqlite:   ('answer', 'answer_by_time', '10000 10000 1');
