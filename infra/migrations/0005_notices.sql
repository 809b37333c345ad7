-- What people are told of budgets: raised once per threshold and period.

CREATE TABLE notices (
  id               TEXT PRIMARY KEY,
  tenant_id        TEXT NOT NULL,
  -- The account's id, or the tenant's.
  subject          TEXT NOT NULL,
  -- Whose budget: `user`, `tenant`.
  source           TEXT NOT NULL,
  -- 50, 80, 95 or 100.
  percent          INTEGER NOT NULL,
  used_nano_eur    INTEGER NOT NULL,
  limit_nano_eur   INTEGER NOT NULL,
  period_opened_at INTEGER NOT NULL,
  resets_at        INTEGER NOT NULL,
  at               INTEGER NOT NULL
) WITHOUT ROWID;
