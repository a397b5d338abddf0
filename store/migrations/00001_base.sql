-- +goose Up
-- One text for SQLite and PostgreSQL. Times are Unix microseconds, keys are
-- folded in Go, JSON is TEXT, workspace_id leads every key.
-- On SQLite, tables of narrow rows are kept in the order of their keys and
-- nowhere else: one page to write for a row, not two.

CREATE TABLE workspace (
  workspace_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  plan TEXT NOT NULL CHECK (plan IN ('starter','business','scale')),
  active BOOLEAN NOT NULL,
  zone TEXT NOT NULL,
  period_from BIGINT NOT NULL,
  period_to BIGINT NOT NULL,
  mapping_hash TEXT NOT NULL,
  mapping_version BIGINT NOT NULL,
  policy_hash TEXT NOT NULL,
  tombstone_key TEXT NOT NULL,
  cursor_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  members_active BIGINT NOT NULL CHECK (members_active >= 0),
  owners BIGINT NOT NULL CHECK (owners >= 0),
  admins BIGINT NOT NULL CHECK (admins >= 0),
  seats BIGINT NOT NULL CHECK (seats >= 0),
  numbers BIGINT NOT NULL CHECK (numbers >= 0),
  ref_seq BIGINT NOT NULL
);

CREATE TABLE connection (
  workspace_id TEXT NOT NULL REFERENCES workspace (workspace_id),
  connection_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  profile TEXT NOT NULL,
  acts_as TEXT NOT NULL,
  authority TEXT NOT NULL,
  sponsor TEXT NOT NULL,
  mode TEXT NOT NULL,
  state TEXT NOT NULL,
  scope TEXT NOT NULL,
  settled_at BIGINT NOT NULL,
  users_total BIGINT NOT NULL,
  users_removed BIGINT NOT NULL,
  groups_total BIGINT NOT NULL,
  groups_removed BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  last_good_run_at BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id)
);

CREATE TABLE token (
  workspace_id TEXT NOT NULL,
  token_id TEXT NOT NULL UNIQUE,
  connection_id TEXT NOT NULL,
  hash TEXT NOT NULL,
  scopes TEXT NOT NULL,
  networks TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  last_used_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, token_id),
  FOREIGN KEY (workspace_id, connection_id) REFERENCES connection (workspace_id, connection_id)
);
CREATE INDEX token_by_connection ON token (workspace_id, connection_id);

CREATE TABLE member (
  workspace_id TEXT NOT NULL REFERENCES workspace (workspace_id),
  member_id TEXT NOT NULL,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('member','admin','owner')),
  role_source TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active','deactivated','removed')),
  contained BOOLEAN NOT NULL,
  contained_since BIGINT NOT NULL,
  contained_cause TEXT NOT NULL,
  is_primary BOOLEAN NOT NULL,
  break_glass BOOLEAN NOT NULL,
  epoch BIGINT NOT NULL,
  version BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  reason TEXT NOT NULL,
  joined_at BIGINT NOT NULL,
  deactivated_at BIGINT NOT NULL,
  last_active_at BIGINT NOT NULL,
  access_end BIGINT NOT NULL,
  grace_until BIGINT NOT NULL,
  tail_held BOOLEAN NOT NULL,
  PRIMARY KEY (workspace_id, member_id),
  CHECK (NOT contained OR state = 'active')
);
-- I6: one member per address among those who are not removed.
CREATE UNIQUE INDEX member_by_email ON member (workspace_id, email_key) WHERE state <> 'removed';
CREATE INDEX member_owners ON member (workspace_id, member_id) WHERE role = 'owner' AND state = 'active';
CREATE UNIQUE INDEX member_primary ON member (workspace_id) WHERE is_primary;
CREATE INDEX member_access_end ON member (workspace_id, access_end) WHERE access_end > 0 AND state = 'active';
CREATE INDEX member_grace ON member (workspace_id, grace_until) WHERE grace_until > 0;

CREATE TABLE identity (
  workspace_id TEXT NOT NULL,
  identity_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  external_id TEXT,
  user_name TEXT NOT NULL,
  user_key TEXT NOT NULL,
  email TEXT,
  email_key TEXT,
  name TEXT,
  display_key TEXT,
  given_key TEXT,
  family_key TEXT,
  formatted_key TEXT,
  nick_key TEXT,
  title_key TEXT,
  user_type_key TEXT,
  department_key TEXT,
  employee_key TEXT,
  locale_key TEXT,
  manager_id TEXT,
  dn TEXT,
  active BOOLEAN NOT NULL,
  deleted BOOLEAN NOT NULL,
  reason TEXT NOT NULL,
  attributes TEXT NOT NULL,
  document TEXT,
  member_id TEXT,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  observed_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, identity_id),
  FOREIGN KEY (workspace_id, connection_id) REFERENCES connection (workspace_id, connection_id),
  FOREIGN KEY (workspace_id, member_id) REFERENCES member (workspace_id, member_id)
);
CREATE UNIQUE INDEX identity_by_external ON identity (workspace_id, connection_id, external_id) WHERE external_id IS NOT NULL AND NOT deleted;
CREATE UNIQUE INDEX identity_by_user ON identity (workspace_id, connection_id, user_key) WHERE NOT deleted;
CREATE INDEX identity_by_email ON identity (workspace_id, connection_id, email_key) WHERE NOT deleted;
CREATE INDEX identity_by_member ON identity (workspace_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX identity_page ON identity (workspace_id, connection_id, created_at, identity_id) WHERE NOT deleted;
CREATE INDEX identity_by_manager ON identity (workspace_id, manager_id) WHERE manager_id IS NOT NULL AND NOT deleted;
CREATE INDEX identity_by_dn ON identity (workspace_id, connection_id, dn) WHERE dn IS NOT NULL AND NOT deleted;
CREATE INDEX identity_gone ON identity (workspace_id, connection_id, external_id) WHERE deleted;

CREATE TABLE identity_value (
  workspace_id TEXT NOT NULL,
  identity_id TEXT NOT NULL,
  attr TEXT NOT NULL,
  ord BIGINT NOT NULL,
  value TEXT NOT NULL,
  value_key TEXT NOT NULL,
  type_key TEXT,
  is_primary BOOLEAN NOT NULL,
  PRIMARY KEY (workspace_id, identity_id, attr, ord),
  FOREIGN KEY (workspace_id, identity_id) REFERENCES identity (workspace_id, identity_id)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX identity_value_by_key ON identity_value (workspace_id, attr, value_key);

CREATE TABLE dirgroup (
  workspace_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  external_id TEXT,
  display_name TEXT NOT NULL,
  display_key TEXT NOT NULL,
  dn TEXT,
  managers TEXT NOT NULL,
  attributes TEXT NOT NULL,
  document TEXT,
  member_count BIGINT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  observed_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, group_id),
  FOREIGN KEY (workspace_id, connection_id) REFERENCES connection (workspace_id, connection_id)
);
CREATE UNIQUE INDEX dirgroup_by_name ON dirgroup (workspace_id, connection_id, display_key);
CREATE UNIQUE INDEX dirgroup_by_external ON dirgroup (workspace_id, connection_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX dirgroup_page ON dirgroup (workspace_id, connection_id, created_at, group_id);

CREATE TABLE membership (
  workspace_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  child_kind TEXT NOT NULL CHECK (child_kind IN ('user','group')),
  child_id TEXT NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, group_id, child_kind, child_id),
  FOREIGN KEY (workspace_id, group_id) REFERENCES dirgroup (workspace_id, group_id)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX membership_by_child ON membership (workspace_id, child_id, child_kind);

CREATE TABLE cursor (
  workspace_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  v BIGINT NOT NULL,
  scope TEXT NOT NULL,
  data TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, connection_id),
  FOREIGN KEY (workspace_id, connection_id) REFERENCES connection (workspace_id, connection_id)
);

CREATE TABLE groups (
  workspace_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  version BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  member_count BIGINT NOT NULL CHECK (member_count >= 0),
  created_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, group_id)
);
CREATE UNIQUE INDEX groups_by_name ON groups (workspace_id, name_key);

CREATE TABLE group_member (
  workspace_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, group_id, member_id),
  FOREIGN KEY (workspace_id, group_id) REFERENCES groups (workspace_id, group_id),
  FOREIGN KEY (workspace_id, member_id) REFERENCES member (workspace_id, member_id)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX group_member_by_member ON group_member (workspace_id, member_id);

CREATE TABLE number (
  workspace_id TEXT NOT NULL,
  number_id TEXT NOT NULL,
  e164 TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  type TEXT NOT NULL,
  pool TEXT NOT NULL,
  site TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('free','assigned','reserved','quarantined','porting','ported_out')),
  quarantine_until BIGINT NOT NULL,
  legal_hold BOOLEAN NOT NULL,
  version BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, number_id)
);
CREATE UNIQUE INDEX number_by_e164 ON number (workspace_id, e164);
CREATE INDEX number_by_name ON number (workspace_id, name_key);
CREATE INDEX number_free ON number (workspace_id, pool, e164) WHERE state = 'free';

CREATE TABLE assignment (
  workspace_id TEXT NOT NULL,
  number_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('member','group','invitation')),
  to_id TEXT NOT NULL,
  access TEXT NOT NULL CHECK (access IN ('exclusive','shared','view_only')),
  ring BIGINT NOT NULL CHECK (ring >= 0),
  notify BOOLEAN NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, number_id, kind, to_id),
  CHECK (access <> 'exclusive' OR kind = 'member'),
  FOREIGN KEY (workspace_id, number_id) REFERENCES number (workspace_id, number_id)
)
--sqlite: WITHOUT ROWID
;
-- I4: at most one exclusive assignment per number, decided by the index.
CREATE UNIQUE INDEX assignment_exclusive ON assignment (workspace_id, number_id) WHERE access = 'exclusive';
CREATE INDEX assignment_by_to ON assignment (workspace_id, kind, to_id);

CREATE TABLE number_owner (
  workspace_id TEXT NOT NULL,
  number_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  PRIMARY KEY (workspace_id, number_id, member_id),
  FOREIGN KEY (workspace_id, number_id) REFERENCES number (workspace_id, number_id),
  FOREIGN KEY (workspace_id, member_id) REFERENCES member (workspace_id, member_id)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX number_owner_by_member ON number_owner (workspace_id, member_id);

CREATE TABLE reservation (
  workspace_id TEXT NOT NULL,
  number_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('member','invitation')),
  for_id TEXT NOT NULL,
  until BIGINT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (workspace_id, number_id, kind, for_id),
  FOREIGN KEY (workspace_id, number_id) REFERENCES number (workspace_id, number_id)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX reservation_by_for ON reservation (workspace_id, kind, for_id);

CREATE TABLE support (
  workspace_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('member','role','group','number','owner','end')),
  object_id TEXT NOT NULL,
  given_by TEXT NOT NULL,
  value TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  source TEXT NOT NULL,
  run_id TEXT NOT NULL,
  author TEXT NOT NULL,
  since BIGINT NOT NULL,
  confirmed_at BIGINT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, member_id, kind, object_id, given_by),
  FOREIGN KEY (workspace_id, member_id) REFERENCES member (workspace_id, member_id)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX support_by_object ON support (workspace_id, kind, object_id);

-- MP3: a person took away what a row gives.
CREATE TABLE exception (
  workspace_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  object_id TEXT NOT NULL,
  rule TEXT NOT NULL,
  made_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, member_id, kind, object_id, rule)
)
--sqlite: WITHOUT ROWID
;

CREATE TABLE invitation (
  workspace_id TEXT NOT NULL,
  invitation_id TEXT NOT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  role TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending','accepted','expired','revoked')),
  inviter TEXT NOT NULL,
  numbers TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  held BOOLEAN NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, invitation_id)
);
CREATE UNIQUE INDEX invitation_pending ON invitation (workspace_id, email_key) WHERE state = 'pending';
CREATE INDEX invitation_by_inviter ON invitation (workspace_id, inviter) WHERE state = 'pending';

CREATE TABLE domain_claim (
  workspace_id TEXT NOT NULL,
  domain TEXT NOT NULL,
  claimer TEXT NOT NULL,
  state TEXT NOT NULL,
  challenge TEXT NOT NULL,
  claimed_at BIGINT NOT NULL,
  verified_at BIGINT NOT NULL,
  checked_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, domain)
);

-- No plain data here: value is an HMAC under the workspace's key.
CREATE TABLE tombstone (
  workspace_id TEXT NOT NULL,
  value TEXT NOT NULL,
  kind TEXT NOT NULL,
  member_id TEXT NOT NULL,
  cause TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  by_person BOOLEAN NOT NULL,
  at BIGINT NOT NULL,
  lifted_at BIGINT NOT NULL,
  lifted_by TEXT NOT NULL,
  PRIMARY KEY (workspace_id, value, member_id)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX tombstone_by_member ON tombstone (workspace_id, member_id);

CREATE TABLE snapshot (
  workspace_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  taken_at BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (workspace_id, member_id)
);

CREATE TABLE repair (
  workspace_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  step TEXT NOT NULL,
  error TEXT NOT NULL,
  tries BIGINT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, member_id, step)
);

CREATE TABLE run (
  workspace_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  applied BIGINT NOT NULL,
  noop BIGINT NOT NULL,
  held BIGINT NOT NULL,
  denied BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (workspace_id, run_id)
);
CREATE INDEX run_by_time ON run (workspace_id, started_at, run_id);

CREATE TABLE absence_proof (
  workspace_id TEXT NOT NULL,
  proof_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  identity_id TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  class TEXT NOT NULL CHECK (class IN ('E1','E2')),
  reason TEXT NOT NULL,
  first_missed_at BIGINT NOT NULL,
  confirmed_at BIGINT NOT NULL,
  reads TEXT NOT NULL,
  confirm TEXT NOT NULL,
  PRIMARY KEY (workspace_id, proof_id)
);

CREATE TABLE change (
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
  PRIMARY KEY (workspace_id, change_id),
  FOREIGN KEY (workspace_id, run_id) REFERENCES run (workspace_id, run_id),
  FOREIGN KEY (workspace_id, absence_proof_id) REFERENCES absence_proof (workspace_id, proof_id),
  -- EV5: a connection cannot deactivate anybody without a stored proof.
  CHECK (kind <> 'member.deactivate' OR outcome <> 'applied' OR actor_kind <> 'connection' OR absence_proof_id IS NOT NULL)
);
CREATE INDEX change_by_run ON change (workspace_id, run_id, seq);
CREATE INDEX change_by_member ON change (workspace_id, member_id, at);

CREATE TABLE hold (
  workspace_id TEXT NOT NULL,
  hold_id TEXT NOT NULL,
  plan_hash TEXT NOT NULL,
  connection_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open','approved','rejected','expired','withdrawn')),
  reason TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  decided_at BIGINT NOT NULL,
  decided_by TEXT NOT NULL,
  decided_why TEXT NOT NULL,
  observation TEXT NOT NULL,
  changes TEXT NOT NULL,
  PRIMARY KEY (workspace_id, hold_id)
);
CREATE UNIQUE INDEX hold_open ON hold (workspace_id, plan_hash) WHERE state = 'open';
CREATE INDEX hold_by_subject ON hold (workspace_id, subject) WHERE state = 'open';

CREATE TABLE rejection (
  workspace_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  rejected_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, fingerprint)
);

CREATE TABLE event (
  workspace_id TEXT NOT NULL,
  subject_type TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  leaver BOOLEAN NOT NULL,
  leaf_index BIGINT NOT NULL,
  at BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (workspace_id, subject_type, subject_id, seq)
);
CREATE UNIQUE INDEX event_by_id ON event (workspace_id, event_id);

CREATE TABLE audit_head (
  workspace_id TEXT NOT NULL,
  gen BIGINT NOT NULL,
  size BIGINT NOT NULL,
  root TEXT NOT NULL,
  edge TEXT NOT NULL,
  PRIMARY KEY (workspace_id)
);

CREATE TABLE audit_leaf (
  workspace_id TEXT NOT NULL,
  gen BIGINT NOT NULL,
  n BIGINT NOT NULL,
  leaf TEXT NOT NULL,
  PRIMARY KEY (workspace_id, gen, n)
)
--sqlite: WITHOUT ROWID
;

CREATE TABLE audit_hash (
  workspace_id TEXT NOT NULL,
  gen BIGINT NOT NULL,
  idx BIGINT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (workspace_id, gen, idx)
)
--sqlite: WITHOUT ROWID
;

CREATE TABLE audit_value (
  workspace_id TEXT NOT NULL,
  commitment TEXT NOT NULL,
  member_id TEXT NOT NULL,
  attr TEXT NOT NULL,
  salt TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (workspace_id, commitment)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX audit_value_by_member ON audit_value (workspace_id, member_id);

CREATE TABLE lease (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  token BIGINT NOT NULL,
  expires_us BIGINT NOT NULL
);

-- SQLite has no statistics of its own accord, and then takes ten rows to be
-- in a workspace: it would walk whole workspaces instead of seeking. These are
-- the figures of a large one (rows, then rows for equal leading columns), so
-- that plans are the same everywhere. PostgreSQL gathers its own.
--sqlite: ANALYZE lease;
--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('token', 'sqlite_autoindex_token_1', '100 1'),
--sqlite:   ('token', 'sqlite_autoindex_token_2', '100 100 1'),
--sqlite:   ('token', 'token_by_connection', '100 100 2'),
--sqlite:   ('member', 'sqlite_autoindex_member_1', '100000 100000 1'),
--sqlite:   ('member', 'member_by_email', '90000 90000 1'),
--sqlite:   ('member', 'member_owners', '10 10 1'),
--sqlite:   ('member', 'member_primary', '1 1'),
--sqlite:   ('member', 'member_access_end', '1000 1000 2'),
--sqlite:   ('member', 'member_grace', '1000 1000 2'),
--sqlite:   ('identity', 'sqlite_autoindex_identity_1', '100000 100000 1'),
--sqlite:   ('identity', 'identity_by_external', '90000 90000 45000 1'),
--sqlite:   ('identity', 'identity_by_user', '90000 90000 45000 1'),
--sqlite:   ('identity', 'identity_by_email', '90000 90000 45000 2'),
--sqlite:   ('identity', 'identity_by_member', '90000 90000 2'),
--sqlite:   ('identity', 'identity_page', '90000 90000 45000 2 1'),
--sqlite:   ('identity', 'identity_by_manager', '80000 80000 10'),
--sqlite:   ('identity', 'identity_by_dn', '45000 45000 45000 1'),
--sqlite:   ('identity', 'identity_gone', '10000 10000 5000 2'),
--sqlite:   ('identity_value', 'identity_value', '200000 200000 2 2 1'),
--sqlite:   ('identity_value', 'identity_value_by_key', '200000 200000 100000 2'),
--sqlite:   ('dirgroup', 'sqlite_autoindex_dirgroup_1', '5000 5000 1'),
--sqlite:   ('dirgroup', 'dirgroup_by_name', '5000 5000 2500 1'),
--sqlite:   ('dirgroup', 'dirgroup_by_external', '5000 5000 2500 1'),
--sqlite:   ('dirgroup', 'dirgroup_page', '5000 5000 2500 2 1'),
--sqlite:   ('membership', 'membership', '1000000 1000000 200 200 1'),
--sqlite:   ('membership', 'membership_by_child', '1000000 1000000 10 10'),
--sqlite:   ('groups', 'sqlite_autoindex_groups_1', '1000 1000 1'),
--sqlite:   ('groups', 'groups_by_name', '1000 1000 1'),
--sqlite:   ('group_member', 'group_member', '300000 300000 300 1'),
--sqlite:   ('group_member', 'group_member_by_member', '300000 300000 3'),
--sqlite:   ('number', 'sqlite_autoindex_number_1', '100000 100000 1'),
--sqlite:   ('number', 'number_by_e164', '100000 100000 1'),
--sqlite:   ('number', 'number_by_name', '100000 100000 2'),
--sqlite:   ('number', 'number_free', '10000 10000 500 1'),
--sqlite:   ('assignment', 'assignment', '200000 200000 2 2 1'),
--sqlite:   ('assignment', 'assignment_exclusive', '80000 80000 1'),
--sqlite:   ('assignment', 'assignment_by_to', '200000 200000 100000 2'),
--sqlite:   ('number_owner', 'number_owner', '100000 100000 1 1'),
--sqlite:   ('number_owner', 'number_owner_by_member', '100000 100000 2'),
--sqlite:   ('reservation', 'reservation', '10000 10000 1 1 1'),
--sqlite:   ('reservation', 'reservation_by_for', '10000 10000 5000 1'),
--sqlite:   ('support', 'support', '500000 500000 5 2 1 1'),
--sqlite:   ('support', 'support_by_object', '500000 500000 100000 100'),
--sqlite:   ('invitation', 'sqlite_autoindex_invitation_1', '10000 10000 1'),
--sqlite:   ('invitation', 'invitation_pending', '1000 1000 1'),
--sqlite:   ('invitation', 'invitation_by_inviter', '1000 1000 10'),
--sqlite:   ('tombstone', 'tombstone', '100000 100000 1 1'),
--sqlite:   ('tombstone', 'tombstone_by_member', '100000 100000 4'),
--sqlite:   ('run', 'sqlite_autoindex_run_1', '1000000 1000000 1'),
--sqlite:   ('run', 'run_by_time', '1000000 1000000 2 1'),
--sqlite:   ('change', 'sqlite_autoindex_change_1', '1000000 1000000 1'),
--sqlite:   ('change', 'change_by_run', '1000000 1000000 3 1'),
--sqlite:   ('change', 'change_by_member', '1000000 1000000 20 2'),
--sqlite:   ('hold', 'sqlite_autoindex_hold_1', '10000 10000 1'),
--sqlite:   ('hold', 'hold_open', '100 100 1'),
--sqlite:   ('hold', 'hold_by_subject', '100 100 2'),
--sqlite:   ('event', 'sqlite_autoindex_event_1', '1000000 1000000 500000 10 1'),
--sqlite:   ('event', 'event_by_id', '1000000 1000000 1'),
--sqlite:   ('audit_value', 'audit_value', '1000000 1000000 1'),
--sqlite:   ('audit_value', 'audit_value_by_member', '1000000 1000000 10');
