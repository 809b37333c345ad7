-- Limits at every level: keys, users and tenants.

-- What calls with this key may cost in a period of its user. NULL: only the user's limit counts.
ALTER TABLE api_keys ADD COLUMN budget_nano_eur INTEGER;
ALTER TABLE api_keys ADD COLUMN requests_per_minute INTEGER;
ALTER TABLE api_keys ADD COLUMN tokens_per_minute INTEGER;
-- Whether an output ceiling that is too dear is lowered rather than refused.
ALTER TABLE api_keys ADD COLUMN clamp INTEGER NOT NULL DEFAULT 0;

-- Calls that may be open at once. NULL: the ledger's own maximum.
ALTER TABLE users ADD COLUMN concurrency_max INTEGER;
-- For users who came from elsewhere: the budget starts anew every so many days, counted from that instant.
-- NULL: monthly, on `reset_day`.
ALTER TABLE users ADD COLUMN period_days INTEGER;
ALTER TABLE users ADD COLUMN period_from INTEGER;
-- Set for good: the account refuses everything new, and its id is never used again.
ALTER TABLE users ADD COLUMN closed_at INTEGER;

-- What all users of the tenant together may spend in a month that begins on `reset_day`. NULL: no limit.
ALTER TABLE tenants ADD COLUMN budget_nano_eur INTEGER;
ALTER TABLE tenants ADD COLUMN reset_day INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN requests_per_minute INTEGER;
ALTER TABLE tenants ADD COLUMN tokens_per_minute INTEGER;
ALTER TABLE tenants ADD COLUMN clamp INTEGER NOT NULL DEFAULT 0;
-- Rises with every change that the tenant's pool must learn of.
ALTER TABLE tenants ADD COLUMN configuration_version INTEGER NOT NULL DEFAULT 1;

-- Pools that have not acknowledged their newest limits, as `pending_pushes` for accounts.
CREATE TABLE pending_pool_pushes (
  tenant_id TEXT PRIMARY KEY REFERENCES tenants (id),
  version   INTEGER NOT NULL,
  since     INTEGER NOT NULL
) WITHOUT ROWID;
