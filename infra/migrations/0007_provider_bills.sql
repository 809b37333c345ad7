-- What providers bill us, as it was imported. A service key imports with the scope `reconciliation:write` and
-- reads the comparison with `reconciliation:read`; both are for keys of every tenant only.

CREATE TABLE provider_bills (
  -- The first millisecond of a UTC day.
  day             INTEGER NOT NULL,
  provider        TEXT NOT NULL,
  -- As the provider names it: `upstream_model` of usage.
  model           TEXT NOT NULL,
  amount_nano_usd INTEGER NOT NULL CHECK (amount_nano_usd >= 0),
  imported_at     INTEGER NOT NULL,
  PRIMARY KEY (day, provider, model)
) WITHOUT ROWID;
