-- +goose Up
-- The hashes of the log's tree that a leaf completes stand in its row, in stored
-- order and apart by blanks (ADR 0016). They had a table of their own, by their
-- index: leaf n completes one for each power of two that divides n + 1.
CREATE TABLE audit_leaf_with_hashes (
  workspace_id TEXT NOT NULL,
  gen BIGINT NOT NULL,
  n BIGINT NOT NULL,
  leaf TEXT NOT NULL,
  hashes TEXT NOT NULL,
  PRIMARY KEY (workspace_id, gen, n)
)
--sqlite: WITHOUT ROWID
;
WITH RECURSIVE level (width) AS (
  SELECT CAST(1 AS BIGINT) UNION ALL
  SELECT width * 2 FROM level WHERE width * 2 <= (SELECT MAX(n) + 1 FROM audit_leaf)
), place AS (
  SELECT l.workspace_id, l.gen, l.n, ROW_NUMBER() OVER (PARTITION BY l.workspace_id, l.gen ORDER BY l.n, v.width) - 1 AS idx
  FROM audit_leaf l JOIN level v ON (l.n + 1) % v.width = 0
), completed AS (
  SELECT p.workspace_id, p.gen, p.n, STRING_AGG(h.hash, ' ' ORDER BY h.idx) AS hashes
  FROM place p JOIN audit_hash h ON h.workspace_id = p.workspace_id AND h.gen = p.gen AND h.idx = p.idx
  GROUP BY p.workspace_id, p.gen, p.n
)
INSERT INTO audit_leaf_with_hashes (workspace_id, gen, n, leaf, hashes)
  SELECT l.workspace_id, l.gen, l.n, l.leaf, COALESCE(c.hashes, '')
  FROM audit_leaf l LEFT JOIN completed c ON c.workspace_id = l.workspace_id AND c.gen = l.gen AND c.n = l.n
  ORDER BY l.workspace_id, l.gen, l.n;
DROP TABLE audit_hash;
DROP TABLE audit_leaf;
ALTER TABLE audit_leaf_with_hashes RENAME TO audit_leaf;
