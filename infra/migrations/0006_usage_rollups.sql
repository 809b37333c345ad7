-- Usage rolled up by hour and by day, so that no question about the past reads the rows themselves.
--
-- Periods are UTC and named by their first millisecond. The measures mean the same everywhere:
-- `tokens_input` and `tokens_output` are whole, `tokens_cached` and `tokens_reasoning` are their parts; a
-- corrected call counts with the usage, provider and provider cost of its correction, in the call's own hour;
-- the correction's row counts with its cost and overrun, in its hour. `errors` are calls that ended otherwise
-- than completed, stopped at their hold or closed by the client.

-- Account-hours with rows that are in no roll-up yet. Written in the commit that appends the rows, one row
-- per account and hour and not per call, so that late rows are found wherever in time they belong.
CREATE TABLE usage_dirty (
  hour       INTEGER NOT NULL,
  account_id TEXT NOT NULL,
  PRIMARY KEY (hour, account_id)
) WITHOUT ROWID;

-- Always the sum of the account-hour's rows, as of when it was last dirty. Deleted together with them.
CREATE TABLE usage_hourly (
  account_id             TEXT NOT NULL,
  hour                   INTEGER NOT NULL,
  tenant_id              TEXT NOT NULL,
  model                  TEXT NOT NULL,
  provider               TEXT NOT NULL,
  region                 TEXT NOT NULL,
  upstream_model         TEXT NOT NULL,
  kind                   TEXT NOT NULL,
  row_count              INTEGER NOT NULL,
  tokens_input           INTEGER NOT NULL,
  tokens_cached          INTEGER NOT NULL,
  tokens_output          INTEGER NOT NULL,
  tokens_reasoning       INTEGER NOT NULL,
  cost_nano_eur          INTEGER NOT NULL,
  overrun_nano_eur       INTEGER NOT NULL,
  provider_cost_nano_usd INTEGER NOT NULL,
  errors                 INTEGER NOT NULL,
  estimated              INTEGER NOT NULL,
  PRIMARY KEY (account_id, hour, tenant_id, model, provider, region, upstream_model, kind)
) WITHOUT ROWID;
CREATE INDEX usage_hourly_of_account ON usage_hourly (tenant_id, hour, account_id);

-- The tables below follow usage_hourly by differences, within one commit, and so outlive it.

CREATE TABLE usage_daily (
  account_id             TEXT NOT NULL,
  day                    INTEGER NOT NULL,
  tenant_id              TEXT NOT NULL,
  model                  TEXT NOT NULL,
  provider               TEXT NOT NULL,
  kind                   TEXT NOT NULL,
  row_count              INTEGER NOT NULL,
  tokens_input           INTEGER NOT NULL,
  tokens_cached          INTEGER NOT NULL,
  tokens_output          INTEGER NOT NULL,
  tokens_reasoning       INTEGER NOT NULL,
  cost_nano_eur          INTEGER NOT NULL,
  overrun_nano_eur       INTEGER NOT NULL,
  provider_cost_nano_usd INTEGER NOT NULL,
  errors                 INTEGER NOT NULL,
  estimated              INTEGER NOT NULL,
  PRIMARY KEY (account_id, day, tenant_id, model, provider, kind)
) WITHOUT ROWID;
CREATE INDEX usage_daily_of_account ON usage_daily (tenant_id, day, account_id);

-- Without accounts: what a tenant's figures read does not grow with its users.
CREATE TABLE tenant_usage_hourly (
  tenant_id              TEXT NOT NULL,
  hour                   INTEGER NOT NULL,
  model                  TEXT NOT NULL,
  provider               TEXT NOT NULL,
  kind                   TEXT NOT NULL,
  row_count              INTEGER NOT NULL,
  tokens_input           INTEGER NOT NULL,
  tokens_cached          INTEGER NOT NULL,
  tokens_output          INTEGER NOT NULL,
  tokens_reasoning       INTEGER NOT NULL,
  cost_nano_eur          INTEGER NOT NULL,
  overrun_nano_eur       INTEGER NOT NULL,
  provider_cost_nano_usd INTEGER NOT NULL,
  errors                 INTEGER NOT NULL,
  estimated              INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, hour, model, provider, kind)
) WITHOUT ROWID;

CREATE TABLE tenant_usage_daily (
  tenant_id              TEXT NOT NULL,
  day                    INTEGER NOT NULL,
  model                  TEXT NOT NULL,
  provider               TEXT NOT NULL,
  kind                   TEXT NOT NULL,
  row_count              INTEGER NOT NULL,
  tokens_input           INTEGER NOT NULL,
  tokens_cached          INTEGER NOT NULL,
  tokens_output          INTEGER NOT NULL,
  tokens_reasoning       INTEGER NOT NULL,
  cost_nano_eur          INTEGER NOT NULL,
  overrun_nano_eur       INTEGER NOT NULL,
  provider_cost_nano_usd INTEGER NOT NULL,
  errors                 INTEGER NOT NULL,
  estimated              INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, day, model, provider, kind)
) WITHOUT ROWID;

-- Of all tenants, as providers bill: for the reconciliation. Rows that name no provider are not in it.
CREATE TABLE provider_usage_daily (
  day                    INTEGER NOT NULL,
  provider               TEXT NOT NULL,
  upstream_model         TEXT NOT NULL,
  row_count              INTEGER NOT NULL,
  tokens_input           INTEGER NOT NULL,
  tokens_cached          INTEGER NOT NULL,
  tokens_output          INTEGER NOT NULL,
  tokens_reasoning       INTEGER NOT NULL,
  cost_nano_eur          INTEGER NOT NULL,
  overrun_nano_eur       INTEGER NOT NULL,
  provider_cost_nano_usd INTEGER NOT NULL,
  errors                 INTEGER NOT NULL,
  estimated              INTEGER NOT NULL,
  PRIMARY KEY (day, provider, upstream_model)
) WITHOUT ROWID;

-- Rows from before this migration are rolled up like late ones.
INSERT INTO usage_dirty (hour, account_id)
SELECT DISTINCT at - at % 3600000, account_id FROM usage_logs;
