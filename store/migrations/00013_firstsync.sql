-- +goose Up
-- What a new person costs (ADR 0014).

-- The values behind a record's commitments stand beside the record and go with
-- its member: [[attr, salt, value], ...] in the record's order. They had a
-- table of their own, in the order of hashes: a page to write for each. A
-- commit's changes are in order by its leaf, so the key of that order is the
-- table's own.
CREATE TABLE change_by_leaf (
  workspace_id TEXT NOT NULL,
  change_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  target_type TEXT NOT NULL,
  target_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  actor_kind TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  verdict TEXT NOT NULL,
  outcome TEXT NOT NULL,
  matrix_row TEXT NOT NULL,
  rule TEXT NOT NULL,
  at BIGINT NOT NULL,
  leaf_index BIGINT NOT NULL,
  absence_proof_id TEXT,
  record TEXT NOT NULL,
  body TEXT NOT NULL,
  opened TEXT,
  PRIMARY KEY (workspace_id, run_id, leaf_index, seq),
  FOREIGN KEY (workspace_id, run_id) REFERENCES run (workspace_id, run_id),
  FOREIGN KEY (workspace_id, absence_proof_id) REFERENCES absence_proof (workspace_id, proof_id),
  -- EV5: a connection cannot deactivate anybody without a stored proof.
  CHECK (kind <> 'member.deactivate' OR outcome <> 'applied' OR actor_kind <> 'connection' OR absence_proof_id IS NOT NULL)
);
INSERT INTO change_by_leaf (workspace_id, change_id, run_id, commit_id, seq, kind, target_type, target_id, member_id, actor_kind,
    connection_id, verdict, outcome, matrix_row, rule, at, leaf_index, absence_proof_id, record, body)
  SELECT workspace_id, change_id, run_id, commit_id, seq, kind, target_type, target_id, member_id, actor_kind,
    connection_id, verdict, outcome, matrix_row, rule, at, leaf_index, absence_proof_id, record, body
  FROM change ORDER BY workspace_id, run_id, leaf_index, seq;
--sqlite: UPDATE change_by_leaf SET opened = (SELECT json_group_array(json_array(v.attr, v.salt, v.value)) FROM audit_value v
--sqlite:   WHERE v.workspace_id = change_by_leaf.workspace_id AND v.member_id = change_by_leaf.member_id AND instr(change_by_leaf.record, v.commitment) > 0)
--sqlite:   WHERE instr(record, '{"c":') > 0;
--postgres: UPDATE change_by_leaf SET opened = (SELECT CAST(json_agg(json_build_array(v.attr, v.salt, v.value)) AS text) FROM audit_value v
--postgres:   WHERE v.workspace_id = change_by_leaf.workspace_id AND v.member_id = change_by_leaf.member_id AND position(v.commitment IN change_by_leaf.record) > 0)
--postgres:   WHERE position('{"c":' IN record) > 0;
DROP TABLE audit_value;
DROP TABLE change;
ALTER TABLE change_by_leaf RENAME TO change;
CREATE INDEX change_by_member ON change (workspace_id, member_id, at);

-- Nobody asks for the supporters of an object but for those of a group.
DROP INDEX support_by_object;
CREATE INDEX support_by_group ON support (workspace_id, object_id) WHERE kind = 'group';

-- SQLite builds a table of the values of each IN with more than two, every time
-- a statement runs: that was two thirds of what an insert cost. The same checks,
-- spelled with OR (www.sqlite.org/lang_altertable.html, on changes of CHECK).
--sqlite: PRAGMA writable_schema = ON;
--sqlite: UPDATE sqlite_schema SET sql = replace(replace(sql,
--sqlite:   '(role IN (''member'',''admin'',''owner''))', '(role = ''member'' OR role = ''admin'' OR role = ''owner'')'),
--sqlite:   '(state IN (''active'',''deactivated'',''removed''))', '(state = ''active'' OR state = ''deactivated'' OR state = ''removed'')')
--sqlite:   WHERE type = 'table' AND name = 'member';
--sqlite: UPDATE sqlite_schema SET sql = replace(sql,
--sqlite:   '(kind IN (''member'',''role'',''group'',''number'',''owner'',''end''))',
--sqlite:   '(kind = ''member'' OR kind = ''role'' OR kind = ''group'' OR kind = ''number'' OR kind = ''owner'' OR kind = ''end'')')
--sqlite:   WHERE type = 'table' AND name = 'support';
--sqlite: UPDATE sqlite_schema SET sql = replace(sql,
--sqlite:   '(state IN (''free'',''assigned'',''reserved'',''quarantined'',''porting'',''ported_out''))',
--sqlite:   '(state = ''free'' OR state = ''assigned'' OR state = ''reserved'' OR state = ''quarantined'' OR state = ''porting'' OR state = ''ported_out'')')
--sqlite:   WHERE type = 'table' AND name = 'number';
--sqlite: UPDATE sqlite_schema SET sql = replace(replace(sql,
--sqlite:   '(kind IN (''member'',''group'',''invitation''))', '(kind = ''member'' OR kind = ''group'' OR kind = ''invitation'')'),
--sqlite:   '(access IN (''exclusive'',''shared'',''view_only''))', '(access = ''exclusive'' OR access = ''shared'' OR access = ''view_only'')')
--sqlite:   WHERE type = 'table' AND name = 'assignment';
--sqlite: UPDATE sqlite_schema SET sql = replace(sql,
--sqlite:   '(state IN (''pending'',''acked'',''superseded'',''dead'',''settled''))',
--sqlite:   '(state = ''pending'' OR state = ''acked'' OR state = ''superseded'' OR state = ''dead'' OR state = ''settled'')')
--sqlite:   WHERE type = 'table' AND name = 'delivery';
--sqlite: PRAGMA writable_schema = RESET;

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('change', 'sqlite_autoindex_change_1', '1000000 1000000 3 3 1'),
--sqlite:   ('change', 'change_by_member', '1000000 1000000 20 2'),
--sqlite:   ('support', 'support_by_group', '200000 200000 100');
