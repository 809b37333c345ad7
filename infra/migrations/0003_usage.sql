-- What accounts charged: rows are appended and never changed, and their costs sum to the accounts' counters.

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
  at                     INTEGER NOT NULL,
  note                   TEXT,
  -- Delivering a row twice changes nothing. No row id: it would be a second tree to write.
  PRIMARY KEY (account_id, request_id, kind)
) WITHOUT ROWID;

-- The only index: each is one more billed row write per call.
CREATE INDEX usage_logs_of_tenant ON usage_logs (tenant_id, at);
