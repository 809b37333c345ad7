-- What accounts charged: rows are appended and never changed, and their costs sum to the accounts' counters.
--
-- A call's row is in one tree, its table, since every further one would be one more billed write per call. What a
-- tenant asks is answered by way of the two tables below, which have a row per batch.

CREATE TABLE usage_logs (
  account_id             TEXT NOT NULL,
  -- The request's id, for a report, the operation's, made from the caller's own id, which is the note.
  request_id             TEXT NOT NULL,
  -- `call`, `correction`, `report`, `adjustment`.
  kind                   TEXT NOT NULL,
  tenant_id              TEXT NOT NULL,
  key_id                 TEXT,
  model                  TEXT NOT NULL,
  provider               TEXT NOT NULL,
  region                 TEXT NOT NULL,
  upstream_model         TEXT NOT NULL,
  -- Each token is counted in exactly one of these seven.
  tokens_input           INTEGER NOT NULL,
  tokens_cached_input    INTEGER NOT NULL,
  tokens_cache_write     INTEGER NOT NULL,
  tokens_output          INTEGER NOT NULL,
  tokens_reasoning       INTEGER NOT NULL,
  tokens_audio_input     INTEGER NOT NULL,
  tokens_audio_output    INTEGER NOT NULL,
  -- What the user pays.
  cost_nano_eur          INTEGER NOT NULL,
  -- What the provider billed beyond the hold, the platform pays it.
  overrun_nano_eur       INTEGER NOT NULL,
  provider_cost_nano_usd INTEGER NOT NULL,
  -- The tariff of the call, so that the row reproduces its own price. Nano-dollars per million tokens.
  price_input            INTEGER,
  price_cached_input     INTEGER,
  price_cache_write      INTEGER,
  price_output           INTEGER,
  price_reasoning        INTEGER,
  price_audio_input      INTEGER,
  price_audio_output     INTEGER,
  margin_basis_points    INTEGER NOT NULL,
  -- Zero where the cost was stated by the reporter and not calculated.
  eur_per_usd_millionths INTEGER NOT NULL,
  price_version          INTEGER NOT NULL,
  -- The account's period in which the cost counts.
  period_opened_at       INTEGER NOT NULL,
  -- Whether the usage is our estimate and not the provider's count.
  estimated              INTEGER NOT NULL,
  outcome                TEXT NOT NULL,
  latency_ms             INTEGER,
  first_token_ms         INTEGER,
  tags                   TEXT NOT NULL,
  -- Of a `call` the time that is in its request's id, so that the id finds it; of others that of their charge.
  at                     INTEGER NOT NULL,
  note                   TEXT,
  -- The row's number among its tenant's, in the order in which they arrived.
  arrived                INTEGER NOT NULL,
  -- Delivering a row twice changes nothing. No row id: it would be a second tree to write.
  PRIMARY KEY (account_id, at, request_id, kind)
) WITHOUT ROWID;

-- Rows whose id does not say their time. Calls are not in it.
CREATE UNIQUE INDEX usage_logs_beside_calls ON usage_logs (account_id, request_id, kind) WHERE kind <> 'call';

-- What one commit appended for one account of a tenant, in the order of arrival: the rows with the numbers from
-- `first` to `last`. A tenant's newest batch is never deleted, so that no number is used twice.
CREATE TABLE usage_batches (
  tenant_id  TEXT NOT NULL,
  last       INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  account_id TEXT NOT NULL,
  -- The latest time of its rows.
  at_last    INTEGER NOT NULL,
  -- JSON: the time, request and kind of each number. One whose row is not there, or has another number, is a gap.
  places     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, last)
) WITHOUT ROWID;

-- Which accounts have rows for a tenant in the ten seconds before `until`, which are deleted together with them.
CREATE TABLE usage_spans (
  tenant_id  TEXT NOT NULL,
  until      INTEGER NOT NULL,
  account_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, until, account_id)
) WITHOUT ROWID;
