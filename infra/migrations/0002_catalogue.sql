-- What can be called, where it is answered, and what it costs.

CREATE TABLE providers (
  -- The name in usage rows: `openai`, `demo`.
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  -- How it is spoken to: `demo_echo`, `open_ai_compatible`.
  kind       TEXT NOT NULL,
  created_at INTEGER NOT NULL
);

CREATE TABLE provider_keys (
  id          TEXT PRIMARY KEY,
  -- NULL: the platform's own.
  tenant_id   TEXT REFERENCES tenants (id),
  provider_id TEXT NOT NULL REFERENCES providers (id),
  region      TEXT NOT NULL DEFAULT 'global',
  base_url    TEXT NOT NULL,
  -- Sealed under PROVIDER_KEYS_KEY_1, NULL where the server needs no key.
  sealed_key  TEXT,
  priority    INTEGER NOT NULL DEFAULT 0,
  status      TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
);

CREATE TABLE models (
  -- As callers name it.
  id                 TEXT PRIMARY KEY,
  provider_id        TEXT NOT NULL REFERENCES providers (id),
  upstream_model     TEXT NOT NULL,
  owned_by           TEXT NOT NULL,
  -- Tokens.
  default_max_output INTEGER NOT NULL CHECK (default_max_output > 0),
  max_output         INTEGER NOT NULL CHECK (max_output >= default_max_output),
  active             INTEGER NOT NULL DEFAULT 1,
  created_at         INTEGER NOT NULL,
  updated_at         INTEGER NOT NULL
);

-- Nano-dollars per million units. NULL is unknown, and an unknown price refuses the call, a price of zero
-- is stated as zero. Rows are never changed: a new price is a new version.
CREATE TABLE prices (
  model_id     TEXT NOT NULL REFERENCES models (id),
  version      INTEGER NOT NULL,
  valid_from   INTEGER NOT NULL,
  input        INTEGER,
  cached_input INTEGER,
  cache_write  INTEGER,
  output       INTEGER,
  reasoning    INTEGER,
  audio_input  INTEGER,
  audio_output INTEGER,
  -- Where the price comes from.
  source       TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (model_id, version)
) WITHOUT ROWID;

CREATE TABLE exchange_rates (
  valid_from             INTEGER PRIMARY KEY,
  -- Euros per dollar in millionths: 920,000 is 0.92.
  eur_per_usd_millionths INTEGER NOT NULL CHECK (eur_per_usd_millionths > 0),
  source                 TEXT NOT NULL DEFAULT ''
);

CREATE TABLE margins (
  -- NULL tenant: everybody without a margin of their own.
  tenant_id    TEXT REFERENCES tenants (id),
  valid_from   INTEGER NOT NULL,
  -- 2,000 is 20 %.
  basis_points INTEGER NOT NULL CHECK (basis_points >= 0)
);
CREATE UNIQUE INDEX margins_by_time ON margins (COALESCE(tenant_id, ''), valid_from);

-- All of the above for one tenant and model, compiled when something changes, so that a request reads a
-- single row. The text is domain::routing::RoutingSnapshot as JSON, its version is the column.
CREATE TABLE routing_snapshots (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  model     TEXT NOT NULL,
  version   INTEGER NOT NULL DEFAULT 1,
  snapshot  TEXT NOT NULL,
  PRIMARY KEY (tenant_id, model)
) WITHOUT ROWID;
