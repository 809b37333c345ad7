-- Where tenants want to be told by webhook.

CREATE TABLE webhook_endpoints (
  -- `wh_` and 24 hexadecimal digits.
  id            TEXT PRIMARY KEY,
  tenant_id     TEXT NOT NULL REFERENCES tenants (id),
  url           TEXT NOT NULL,
  -- A list of types of notices, `["*"]` is all of them, also future ones.
  events        TEXT NOT NULL,
  -- `whsec_…`, sealed under PROVIDER_KEYS_KEY_1.
  sealed_secret TEXT NOT NULL,
  -- 0: it answered 410, so it gets nothing more.
  active        INTEGER NOT NULL DEFAULT 1,
  created_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, created_at);
