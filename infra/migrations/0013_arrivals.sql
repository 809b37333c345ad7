-- Usage rows are numbered in the order in which they arrive, so that whoever polls them misses none that comes
-- late. A number is never used twice, whatever is deleted; there may be gaps.

-- The last number that was given. Read and raised in the commit that appends the rows, which the database does one
-- after the other: so a row that is seen first has the smaller number.
CREATE TABLE usage_arrivals (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  last INTEGER NOT NULL
);

ALTER TABLE usage_logs ADD COLUMN arrived INTEGER;

-- Rows from before this migration arrived in the order of their time.
UPDATE usage_logs SET arrived = numbered.number FROM (
  SELECT account_id, request_id, kind, ROW_NUMBER() OVER (ORDER BY at, account_id, request_id, kind) AS number
  FROM usage_logs) AS numbered
WHERE usage_logs.account_id = numbered.account_id AND usage_logs.request_id = numbered.request_id
  AND usage_logs.kind = numbered.kind;
INSERT INTO usage_arrivals (id, last) SELECT 1, COALESCE(MAX(arrived), 0) FROM usage_logs;

-- One more billed write per call, and worth it: the rows that arrived since are read without their neighbours.
CREATE INDEX usage_logs_by_arrival ON usage_logs (tenant_id, arrived);
