-- The directory: who exists, what they may do, what models cost. It is the authority for configuration,
-- an account's spend lives in the account itself.
--
-- Conventions of every table: ids are text, instants are milliseconds since the Unix epoch (UTC), money is whole
-- nano-euros (`…_nano_eur`) below 2^53, and lists are JSON. Migrations are additive first: yesterday's code
-- runs on today's schema.

CREATE TABLE tenants (
  id                    TEXT PRIMARY KEY,
  slug                  TEXT NOT NULL UNIQUE,
  name                  TEXT NOT NULL,
  domain                TEXT UNIQUE,
  type                  TEXT NOT NULL DEFAULT 'customer'
                        CHECK (type IN ('internal', 'demo', 'development', 'customer')),
  status                TEXT NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'active', 'suspended', 'deleted')),
  services              TEXT NOT NULL DEFAULT '{}',
  billing_plan          TEXT,
  max_users             INTEGER,
  -- An IANA name, as the database of time zones writes it.
  time_zone             TEXT NOT NULL DEFAULT 'Europe/Berlin',
  -- Where new accounts of this tenant live for ever.
  home                  TEXT NOT NULL DEFAULT 'eu' CHECK (home IN ('eu', 'any')),
  -- Which providers' regions may serve this tenant.
  residency             TEXT NOT NULL DEFAULT 'any' CHECK (residency IN ('any', 'eu', 'de')),
  privacy               TEXT NOT NULL DEFAULT 'off' CHECK (privacy IN ('off', 'mask', 'block')),
  branding              TEXT NOT NULL DEFAULT '{}',
  created_at            INTEGER NOT NULL,
  updated_at            INTEGER NOT NULL
);

CREATE TABLE products (
  id                       TEXT PRIMARY KEY,
  name                     TEXT NOT NULL,
  description              TEXT NOT NULL DEFAULT '',
  -- NULL: agreed with each customer.
  price_nano_eur           INTEGER,
  currency                 TEXT NOT NULL DEFAULT 'EUR',
  budget_included_nano_eur INTEGER,
  max_users                INTEGER,
  -- "all", or a list of model names.
  models                   TEXT NOT NULL DEFAULT '["all"]',
  features                 TEXT NOT NULL DEFAULT '[]',
  -- NULL: no limit.
  requests_per_minute      INTEGER,
  tokens_per_minute        INTEGER,
  active                   INTEGER NOT NULL DEFAULT 1,
  stripe_price_id          TEXT,
  created_at               INTEGER NOT NULL,
  updated_at               INTEGER NOT NULL
);

CREATE TABLE users (
  -- The account's id, like `eu-` and 32 hexadecimal digits, also the name of the account's state.
  id                    TEXT PRIMARY KEY,
  tenant_id             TEXT NOT NULL REFERENCES tenants (id),
  -- In lower case. Unique everywhere, not per tenant: people log in with it alone.
  email                 TEXT NOT NULL UNIQUE,
  name                  TEXT NOT NULL DEFAULT '',
  role                  TEXT NOT NULL DEFAULT 'user'
                        CHECK (role IN ('admin', 'tenant_admin', 'user', 'guest')),
  status                TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'active', 'suspended')),
  product_id            TEXT REFERENCES products (id),
  -- argon2id in PHC form, NULL: cannot log in with a password.
  password_hash         TEXT,
  budget_nano_eur       INTEGER NOT NULL CHECK (budget_nano_eur >= 0),
  -- The day of the month on which the budget starts anew, 29 to 31 clamp to a month's last.
  reset_day             INTEGER NOT NULL DEFAULT 1 CHECK (reset_day BETWEEN 1 AND 31),
  models                TEXT NOT NULL DEFAULT '["all"]',
  requests_per_minute   INTEGER,
  tokens_per_minute     INTEGER,
  -- Whether an output ceiling that is too dear is lowered rather than refused.
  clamp                 INTEGER NOT NULL DEFAULT 0,
  -- Rises with every change that the account must learn of.
  configuration_version INTEGER NOT NULL DEFAULT 1,
  -- A view of the account's live state: when its period ends. The account itself decides.
  budget_reset_at       INTEGER NOT NULL,
  created_at            INTEGER NOT NULL,
  updated_at            INTEGER NOT NULL
);
CREATE INDEX users_of_tenant ON users (tenant_id, id);
CREATE INDEX users_due_for_reset ON users (budget_reset_at, id);

CREATE TABLE api_keys (
  id           TEXT PRIMARY KEY,
  user_id      TEXT NOT NULL REFERENCES users (id),
  name         TEXT NOT NULL DEFAULT '',
  -- What may be shown for recognition. The secret itself is stored nowhere.
  preview      TEXT NOT NULL,
  -- SHA-256 of the whole key, in hexadecimal.
  hash         TEXT NOT NULL UNIQUE,
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER,
  expires_at   INTEGER,
  revoked_at   INTEGER
);
CREATE INDEX api_keys_of_user ON api_keys (user_id, created_at);

-- Machine clients of the billing function (`X-API-Key`).
CREATE TABLE service_keys (
  id           TEXT PRIMARY KEY,
  -- NULL: every tenant.
  tenant_id    TEXT REFERENCES tenants (id),
  name         TEXT NOT NULL,
  hash         TEXT NOT NULL UNIQUE,
  -- A list of scopes, see store::service_keys::SCOPES.
  scopes       TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,
  revoked_at   INTEGER
);

-- Accounts that have not acknowledged their newest configuration. Written in the same transaction as the
-- change itself, retried until acknowledged.
CREATE TABLE pending_pushes (
  account_id TEXT PRIMARY KEY REFERENCES users (id),
  version    INTEGER NOT NULL,
  since      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
  id           TEXT PRIMARY KEY,
  user_id      TEXT NOT NULL REFERENCES users (id),
  -- SHA-256 of the refresh token, in hexadecimal.
  refresh_hash TEXT NOT NULL UNIQUE,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  ended_at     INTEGER
);
CREATE INDEX sessions_of_user ON sessions (user_id);

-- Failed log-ins within the current window, by account and by address. Subjects are hashes, so that the
-- table holds no personal data.
CREATE TABLE login_attempts (
  subject           TEXT PRIMARY KEY,
  attempts          INTEGER NOT NULL,
  window_started_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit_log (
  id        INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  -- Who: `service_key:<id>`, `user:<id>`, `seed`.
  actor     TEXT NOT NULL,
  action    TEXT NOT NULL,
  -- What it was done to: `user:<id>`, `tenant:<id>`, `api_key:<id>`.
  object    TEXT NOT NULL,
  -- JSON, without secrets.
  before    TEXT,
  after     TEXT,
  -- The hash of the previous row, rows from before the chain have none.
  previous_hash TEXT
);
