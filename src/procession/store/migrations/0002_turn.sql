-- compatible
-- On PostgreSQL every turn that wrote leaves a mark in its own transaction: the one evidence, when
-- the answer to a COMMIT is lost, that survives crashes (transaction numbers are given out again
-- after one). Looked at only in doubt and kept for a minute, so it has no index.
CREATE TABLE turn (
  writer BIGINT NOT NULL,
  number BIGINT NOT NULL,
  saved_ms BIGINT NOT NULL
);
