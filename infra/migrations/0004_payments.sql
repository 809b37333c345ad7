-- Stripe's events, each once. Effects are derived from these rows, so an event may arrive in any order.

CREATE TABLE stripe_events (
  id           TEXT PRIMARY KEY,
  type         TEXT NOT NULL,
  -- By Stripe's clock.
  created_at   INTEGER NOT NULL,
  received_at  INTEGER NOT NULL,
  -- The event as it was signed.
  payload      TEXT NOT NULL,
  processed_at INTEGER
);
