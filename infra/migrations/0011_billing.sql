-- What billing's clients ordered by hand, and who is still there.
--
-- Service keys have one more scope, `ledger:write`: adjustments, resets, top-ups and refunds.

-- Corrections, resets, top-ups and refunds, each under an id that is kept for ever. Recorded, together with the
-- audit's row, before the account is asked; so a crash leaves none unrecorded, and what is open is repeated
-- under the same id until the account has answered.
CREATE TABLE operations (
  -- Made from the account and the caller's own id.
  id                 TEXT PRIMARY KEY,
  account_id         TEXT NOT NULL,
  -- As the caller wrote it.
  operation_id       TEXT NOT NULL,
  -- `adjustment`, `reset`, `top_up`, `refund`.
  kind               TEXT NOT NULL,
  -- Zero for a reset.
  amount_nano_eur    INTEGER NOT NULL,
  reason             TEXT NOT NULL,
  actor              TEXT NOT NULL,
  recorded_at        INTEGER NOT NULL,
  -- The last attempt.
  tried_at           INTEGER NOT NULL,
  -- NULL: open.
  done_at            INTEGER,
  -- What the account answered: why not, or what was charged and left then.
  refusal            TEXT,
  charged_nano_eur   INTEGER,
  remaining_nano_eur INTEGER
) WITHOUT ROWID;
CREATE INDEX operations_open ON operations (tried_at, id) WHERE done_at IS NULL;

-- How many users a tenant has is counted against `tenants.max_users`.
CREATE INDEX users_open_of_tenant ON users (tenant_id, closed_at) WHERE closed_at IS NULL;
