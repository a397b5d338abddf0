-- +goose Up
-- MP2: what people give until a date ends then; timers ask for it.
CREATE INDEX support_until ON support (workspace_id, until) WHERE until > 0 AND given_by = 'manual';

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('support', 'support_until', '1000 1000 2');
