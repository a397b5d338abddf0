-- +goose Up
-- Claimed domains (sources section 10): when the proof was seen last, since
-- when it is missing, which name servers answered, and since when another
-- workspace contests the claim.
ALTER TABLE domain_claim ADD COLUMN challenge_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domain_claim ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domain_claim ADD COLUMN missing_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domain_claim ADD COLUMN contested_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domain_claim ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domain_claim ADD COLUMN servers TEXT NOT NULL DEFAULT '[]';
ALTER TABLE domain_claim ADD COLUMN fault TEXT NOT NULL DEFAULT '';

-- DC3: one workspace holds a domain, whatever its state of proof. The only
-- key that crosses workspaces, and the index decides who was first.
CREATE UNIQUE INDEX domain_claim_holder ON domain_claim (domain) WHERE state IN ('verified','lapsing');
CREATE INDEX domain_claim_contested ON domain_claim (domain) WHERE state = 'contested';
CREATE INDEX domain_claim_due ON domain_claim (workspace_id, due_at) WHERE due_at > 0;

-- A code on its way to a mailbox, or back from it. No account exists before
-- that (OS3). The code is kept as a hash with the browser's secret, which no
-- row holds.
CREATE TABLE join_code (
  browser TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL,
  email TEXT NOT NULL,
  address TEXT NOT NULL,
  domain TEXT NOT NULL,
  client TEXT NOT NULL,
  code TEXT NOT NULL,
  tries BIGINT NOT NULL,
  sent_at BIGINT NOT NULL,
  proved_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL
);
CREATE INDEX join_code_by_address ON join_code (address, sent_at);
CREATE INDEX join_code_by_domain ON join_code (domain, sent_at);
CREATE INDEX join_code_by_client ON join_code (client, sent_at);
CREATE INDEX join_code_by_time ON join_code (sent_at);

--sqlite: INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
--sqlite:   ('domain_claim', 'domain_claim_holder', '1000 1'),
--sqlite:   ('domain_claim', 'domain_claim_contested', '10 1'),
--sqlite:   ('domain_claim', 'domain_claim_due', '1000 10 1'),
--sqlite:   ('join_code', 'sqlite_autoindex_join_code_1', '10000 1'),
--sqlite:   ('join_code', 'join_code_by_address', '10000 2 1'),
--sqlite:   ('join_code', 'join_code_by_domain', '10000 100 1'),
--sqlite:   ('join_code', 'join_code_by_client', '10000 10 1'),
--sqlite:   ('join_code', 'join_code_by_time', '10000 1');
