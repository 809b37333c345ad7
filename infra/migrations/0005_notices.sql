-- What people are told: what happened is in notices, once. Who is told of it, and how far that has come, is
-- in deliveries.

CREATE TABLE notices (
  -- The same for every repetition of the event that raised it.
  id         TEXT PRIMARY KEY,
  tenant_id  TEXT NOT NULL,
  -- `budget.threshold_reached`.
  type       TEXT NOT NULL,
  -- Whom it is about: an account's id, or the tenant's.
  subject    TEXT NOT NULL,
  -- Who is told by mail: the user of that account, or the tenant's admins.
  audience   TEXT NOT NULL CHECK (audience IN ('user', 'tenant')),
  -- JSON, by type.
  data       TEXT NOT NULL,
  at         INTEGER NOT NULL,
  -- When its deliveries were made, NULL: not yet.
  planned_at INTEGER
) WITHOUT ROWID;
CREATE INDEX notices_unplanned ON notices (id) WHERE planned_at IS NULL;
CREATE INDEX notices_by_age ON notices (at);

CREATE TABLE deliveries (
  notice_id   TEXT NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
  channel     TEXT NOT NULL CHECK (channel IN ('mail', 'webhook')),
  -- A user's id, or a webhook endpoint's. Empty: there is nobody to tell.
  target      TEXT NOT NULL,
  -- `undeliverable`: there is nobody to tell, `unconfigured`: the platform had no mail provider.
  status      TEXT NOT NULL
              CHECK (status IN ('waiting', 'delivered', 'failed', 'undeliverable', 'unconfigured')),
  -- Tries that were begun.
  tries       INTEGER NOT NULL DEFAULT 0,
  -- Before this nobody tries. While a try is under way it lies behind the try's longest duration.
  next_try_at INTEGER NOT NULL,
  -- What came of the last try, for people: `200`, `no answer` …
  last_answer TEXT,
  ended_at    INTEGER,
  -- Exactly one for each notice, channel and target.
  PRIMARY KEY (notice_id, channel, target)
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_try_at) WHERE status = 'waiting';

-- A tenant's few admins among its many users.
CREATE INDEX users_tenant_admins ON users (tenant_id, id) WHERE role = 'tenant_admin';

-- Mails that were captured instead of sent (MAIL_URL=capture:), for a developer to read.
CREATE TABLE outbox_mails (
  -- The delivery's id, which a mail provider would get as its idempotency key.
  id        TEXT PRIMARY KEY,
  recipient TEXT NOT NULL,
  sender    TEXT NOT NULL,
  subject   TEXT NOT NULL,
  text      TEXT NOT NULL,
  html      TEXT NOT NULL,
  at        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX outbox_mails_by_age ON outbox_mails (at);
