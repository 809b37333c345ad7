-- What the directory's writes need so that a repetition changes nothing, and so that nobody waits for ever.
--
-- Service keys have one more scope, `webhooks:write`. `tenants:write` no longer covers webhooks.

-- Requests that made something under an id of the caller's own (`Idempotency-Key`), with what they made.
CREATE TABLE idempotent_requests (
  -- Made from where it was made and the caller's own id.
  id      TEXT PRIMARY KEY,
  -- Of the body that made it: another body under the same id is refused.
  content TEXT NOT NULL,
  -- The answer as JSON, without secrets and personal data.
  made    TEXT NOT NULL,
  at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotent_requests_by_age ON idempotent_requests (at);

-- The key that replaced this one when it was rotated: a key is rotated once.
ALTER TABLE api_keys ADD COLUMN successor_id TEXT;

-- Mails from before there was a mail provider, by when they were given up.
CREATE INDEX deliveries_unconfigured ON deliveries (ended_at) WHERE status = 'unconfigured';
