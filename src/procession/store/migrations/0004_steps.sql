-- compatible
-- Work that outside systems report on, and what people are asked.

-- A step that an outside system reports on runs without a lease of ours.
-- only on postgresql
ALTER TABLE item DROP CONSTRAINT item_check1;

-- only on postgresql
ALTER TABLE item ADD CONSTRAINT item_held CHECK ((state <> 'claimed' AND state <> 'running')
  OR lease_ms IS NOT NULL OR queue = 'reported') NOT VALID;

-- only on sqlite
-- It changes no constraint in place: the same table again, with its rows and indexes.
CREATE TABLE item_new (
  number INTEGER PRIMARY KEY,
  item_id TEXT NOT NULL UNIQUE,
  process_id TEXT NOT NULL,
  tenant_id INTEGER NOT NULL,
  capability TEXT NOT NULL,
  queue TEXT NOT NULL,
  step TEXT NOT NULL,
  state TEXT NOT NULL CHECK ((state = 'scheduled' OR state = 'queued' OR state = 'claimed'
    OR state = 'running' OR state = 'retrying' OR state = 'waiting' OR state = 'completed'
    OR state = 'failed' OR state = 'cancelled')),
  attempt INTEGER NOT NULL,
  attempts_max INTEGER NOT NULL,
  lost INTEGER NOT NULL,
  due_ms BIGINT,
  lease_ms BIGINT,
  run_until_ms BIGINT,
  stop_order TEXT NOT NULL CHECK ((stop_order = 'none' OR stop_order = 'soft'
    OR stop_order = 'hard')),
  phone_id TEXT,
  account_id TEXT,
  agent_id TEXT,
  percent DOUBLE PRECISION,
  claimed_ms BIGINT,
  started_ms BIGINT,
  finished_ms BIGINT,
  inputs TEXT,
  error TEXT,
  result TEXT NOT NULL,
  fan_out_number BIGINT,
  CHECK ((finished_ms IS NOT NULL) = ((state = 'completed' OR state = 'failed'
    OR state = 'cancelled'))),
  CHECK ((state <> 'claimed' AND state <> 'running') OR lease_ms IS NOT NULL
    OR queue = 'reported'),
  CHECK (lease_ms IS NULL OR (phone_id IS NOT NULL AND due_ms IS NOT NULL))
);
-- only on sqlite
INSERT INTO item_new SELECT * FROM item;
-- only on sqlite
DROP TABLE item;
-- only on sqlite
ALTER TABLE item_new RENAME TO item;
-- only on sqlite
CREATE UNIQUE INDEX one_run_per_phone ON item (tenant_id, phone_id) WHERE lease_ms IS NOT NULL;
-- only on sqlite
CREATE INDEX item_waiting ON item (tenant_id, queue, (number + 0)) WHERE state = 'queued';
-- only on sqlite
CREATE INDEX item_due ON item (due_ms) WHERE due_ms IS NOT NULL;
-- only on sqlite
CREATE INDEX item_fan_out_phone ON item (tenant_id, phone_id, fan_out_number)
  WHERE fan_out_number IS NOT NULL;
-- only on sqlite
CREATE INDEX item_fan_out_account ON item (tenant_id, account_id, fan_out_number)
  WHERE fan_out_number IS NOT NULL;

-- What a tracked process is found by, besides what every process is; its number is the process's,
-- its name is in lower case.
CREATE TABLE tracked (
  number BIGINT PRIMARY KEY,
  process_id TEXT NOT NULL,
  tenant_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  template_id TEXT
);
CREATE INDEX tracked_template ON tracked (tenant_id, template_id, number)
  WHERE template_id IS NOT NULL;

-- A piece of work that waits for a person, pending exactly while its item waits.
CREATE TABLE task (
  number INTEGER PRIMARY KEY,
  task_id TEXT NOT NULL,
  tenant_id INTEGER NOT NULL,
  process_id TEXT NOT NULL,
  item_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK ((kind = 'form' OR kind = 'review' OR kind = 'interruption')),
  state TEXT NOT NULL CHECK ((state = 'pending' OR state = 'completed' OR state = 'cancelled'
    OR state = 'failed')),
  title TEXT NOT NULL,
  person_id INTEGER,
  assignee_email TEXT,
  template_id TEXT,
  correlation_key TEXT,
  about_process_id TEXT,
  about_step TEXT,
  created_ms BIGINT NOT NULL,
  finished_ms BIGINT,
  expires_ms BIGINT,
  outcome TEXT NOT NULL,
  CHECK ((finished_ms IS NOT NULL) = (state <> 'pending')),
  UNIQUE (tenant_id, task_id)
);
CREATE UNIQUE INDEX one_task_per_item ON task (item_id) WHERE state = 'pending';
CREATE INDEX task_newest ON task (tenant_id, number);
CREATE INDEX task_state ON task (tenant_id, state, number);
CREATE INDEX task_process ON task (process_id);
CREATE INDEX task_person ON task (tenant_id, person_id, state, number)
  WHERE person_id IS NOT NULL;
CREATE INDEX task_email ON task (tenant_id, assignee_email, state, number)
  WHERE assignee_email IS NOT NULL;
CREATE INDEX task_template ON task (tenant_id, template_id, number)
  WHERE template_id IS NOT NULL;
CREATE INDEX task_correlation ON task (tenant_id, correlation_key, number)
  WHERE correlation_key IS NOT NULL;
CREATE INDEX task_about ON task (about_process_id) WHERE about_process_id IS NOT NULL;

-- The metadata of tracked processes and tasks, to filter by.
CREATE TABLE metadata (
  tenant_id INTEGER NOT NULL,
  subject TEXT NOT NULL CHECK ((subject = 'process' OR subject = 'task')),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  number BIGINT NOT NULL,
  process_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, subject, key, value, number)
);
CREATE INDEX metadata_process ON metadata (process_id);

-- Who holds the link may see the task, or the process; with a code first where it says so.
CREATE TABLE link (
  link_id TEXT PRIMARY KEY,
  tenant_id INTEGER NOT NULL,
  subject TEXT NOT NULL CHECK ((subject = 'process' OR subject = 'task')),
  process_id TEXT NOT NULL,
  task_id TEXT,
  email TEXT,
  name TEXT,
  phone TEXT,
  needs_code INTEGER NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT,
  revoked_ms BIGINT,
  code_hash TEXT,
  code_until_ms BIGINT,
  code_tries INTEGER NOT NULL DEFAULT 0,
  codes_wrong INTEGER NOT NULL DEFAULT 0,
  codes_sent TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX link_process ON link (process_id);

-- Deliveries of a callback have none; those of a task's sinks count them from 1.
ALTER TABLE delivery ADD COLUMN sink INTEGER NOT NULL DEFAULT 0;

-- only on sqlite
CREATE VIRTUAL TABLE tracked_text USING fts5(name, tenant_id UNINDEXED, content='tracked',
  content_rowid='number', tokenize='trigram', detail='none');
-- only on sqlite
CREATE TRIGGER tracked_added AFTER INSERT ON tracked BEGIN
  INSERT INTO tracked_text (rowid, name) VALUES (new.number, new.name); END;
-- only on sqlite
CREATE TRIGGER tracked_gone AFTER DELETE ON tracked BEGIN
  INSERT INTO tracked_text (tracked_text, rowid, name) VALUES ('delete', old.number, old.name); END;
-- only on sqlite
CREATE VIRTUAL TABLE task_text USING fts5(title, tenant_id UNINDEXED, content='task',
  content_rowid='number', tokenize='trigram', detail='none');
-- only on sqlite
CREATE TRIGGER task_added AFTER INSERT ON task BEGIN
  INSERT INTO task_text (rowid, title) VALUES (new.number, new.title); END;
-- only on sqlite
CREATE TRIGGER task_gone AFTER DELETE ON task BEGIN
  INSERT INTO task_text (task_text, rowid, title) VALUES ('delete', old.number, old.title); END;

-- only on postgresql
-- Where the database may not have the extension, a search walks instead; doctor says so.
DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX tracked_name ON tracked
  USING gin (name gin_trgm_ops); CREATE INDEX task_title ON task
  USING gin (lower(title) gin_trgm_ops); EXCEPTION
  WHEN insufficient_privilege OR feature_not_supported OR undefined_file
  THEN RAISE NOTICE 'no pg_trgm'; END $$;

-- only on postgresql
-- So that a search reads the same on both.
CREATE VIEW tracked_text AS SELECT number AS rowid, name, tenant_id FROM tracked;

-- only on postgresql
CREATE VIEW task_text AS SELECT number AS rowid, lower(title) AS title, tenant_id FROM task;
