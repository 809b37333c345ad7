-- What cron-reset remembers between its runs: one row per job.

CREATE TABLE schedules (
  job              TEXT PRIMARY KEY,
  -- Where the pass goes on, empty: at the start. Only the job itself reads it.
  cursor           TEXT NOT NULL DEFAULT '',
  -- When the newest pass began.
  pass_started_at  INTEGER,
  -- When the last full pass ended.
  pass_finished_at INTEGER,
  -- The run that works on it, until when. It spares work that would be done twice, and no more than that.
  lease_holder     TEXT NOT NULL DEFAULT '',
  lease_until      INTEGER NOT NULL DEFAULT 0,
  last_error       TEXT,
  last_error_at    INTEGER
) WITHOUT ROWID;

-- What is pruned is found by its age.
CREATE INDEX login_attempts_by_age ON login_attempts (window_started_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);
