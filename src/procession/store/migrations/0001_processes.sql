-- compatible
-- The first schema. Times are integer milliseconds, JSON is text, what a query filters on is a
-- column. What must never be written is refused here, whatever the code above believes. Words are
-- compared with OR: for IN, SQLite builds a table of the words again for every row it inserts.

CREATE TABLE tenant (
  tenant_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_ms BIGINT NOT NULL
);

CREATE TABLE token (
  token_id TEXT PRIMARY KEY,
  tenant_id INTEGER NOT NULL REFERENCES tenant (tenant_id),
  name TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  namespace TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  revoked_ms BIGINT
);

-- finished exactly when finished_ms is set; the version is the number of the last event.
CREATE TABLE process (
  number INTEGER PRIMARY KEY,
  process_id TEXT NOT NULL UNIQUE,
  tenant_id INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  process_type TEXT NOT NULL,
  system TEXT NOT NULL,
  request_id TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  version INTEGER NOT NULL CHECK (version > 0),
  state TEXT NOT NULL CHECK ((state = 'accepted' OR state = 'queued' OR state = 'running'
    OR state = 'retrying' OR state = 'waiting' OR state = 'cancelling'
    OR state = 'completed' OR state = 'partial' OR state = 'failed' OR state = 'cancelled')),
  due_ms BIGINT,
  finished_ms BIGINT,
  phone_id TEXT,
  account_id TEXT,
  standing TEXT NOT NULL,
  request TEXT NOT NULL,
  CHECK ((finished_ms IS NOT NULL) = ((state = 'completed' OR state = 'partial'
    OR state = 'failed' OR state = 'cancelled'))),
  UNIQUE (tenant_id, request_id, system, process_type)
);
CREATE INDEX process_kind ON process (tenant_id, namespace, process_type, state, number);
CREATE INDEX process_phone ON process (tenant_id, phone_id, number) WHERE phone_id IS NOT NULL;
CREATE INDEX process_account ON process (tenant_id, account_id, number) WHERE account_id IS NOT NULL;
CREATE INDEX process_due ON process (due_ms, state) WHERE due_ms IS NOT NULL;
CREATE INDEX process_finished ON process (finished_ms) WHERE finished_ms IS NOT NULL;

-- An item holds its phone exactly while it has a lease, even when it has ended already. Where a
-- process has several items, each knows its number: lists find it by their phones and accounts.
CREATE TABLE item (
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
  CHECK ((state <> 'claimed' AND state <> 'running') OR lease_ms IS NOT NULL),
  CHECK (lease_ms IS NULL OR (phone_id IS NOT NULL AND due_ms IS NOT NULL))
);
CREATE UNIQUE INDEX one_run_per_phone ON item (tenant_id, phone_id) WHERE lease_ms IS NOT NULL;
-- By an expression, so that only this index is in the order of a queue: by the other, which is in
-- the order of all items, PostgreSQL would look for waiting ones among the millions that ended.
CREATE INDEX item_waiting ON item (tenant_id, queue, (number + 0)) WHERE state = 'queued';
CREATE INDEX item_due ON item (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX item_fan_out_phone ON item (tenant_id, phone_id, fan_out_number)
  WHERE fan_out_number IS NOT NULL;
CREATE INDEX item_fan_out_account ON item (tenant_id, account_id, fan_out_number)
  WHERE fan_out_number IS NOT NULL;

CREATE TABLE event (
  process_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  data TEXT NOT NULL,
  standing TEXT NOT NULL,
  PRIMARY KEY (process_id, seq)
);

CREATE TABLE delivery (
  delivery_id INTEGER PRIMARY KEY,
  process_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  origin TEXT NOT NULL,
  state TEXT NOT NULL CHECK ((state = 'pending' OR state = 'delivered' OR state = 'failed')),
  attempt INTEGER NOT NULL,
  due_ms BIGINT,
  tries TEXT NOT NULL,
  CHECK ((due_ms IS NOT NULL) = (state = 'pending'))
);
CREATE INDEX delivery_process ON delivery (process_id, seq);
CREATE INDEX delivery_due ON delivery (origin, due_ms) WHERE due_ms IS NOT NULL;

CREATE TABLE account (
  tenant_id INTEGER NOT NULL,
  account_id TEXT NOT NULL,
  phone_id TEXT,
  app TEXT,
  labels TEXT NOT NULL,
  active INTEGER NOT NULL,
  created_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, account_id)
);

CREATE TABLE agent (
  agent_id TEXT NOT NULL,
  tenant_id INTEGER NOT NULL,
  token_id TEXT NOT NULL,
  version TEXT NOT NULL,
  capabilities TEXT NOT NULL,
  registered_ms BIGINT NOT NULL,
  seen_ms BIGINT NOT NULL,
  draining INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, agent_id)
);

CREATE TABLE phone (
  tenant_id INTEGER NOT NULL,
  phone_id TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'phone' CHECK ((kind = 'phone' OR kind = 'lane')),
  agent_id TEXT,
  health TEXT NOT NULL,
  serial TEXT NOT NULL,
  labels TEXT NOT NULL,
  paused INTEGER NOT NULL,
  battery_percent INTEGER,
  temperature_c DOUBLE PRECISION,
  storage_free_mb INTEGER,
  detail TEXT NOT NULL,
  seen_ms BIGINT,
  PRIMARY KEY (tenant_id, phone_id)
);

CREATE TABLE output (
  item_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  process_id TEXT NOT NULL,
  text TEXT NOT NULL,
  truncated INTEGER NOT NULL,
  PRIMARY KEY (item_id, attempt)
);

CREATE INDEX output_process ON output (process_id);

-- What the runs of an item leave for later runs and for people.
CREATE TABLE note (
  item_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK ((kind = 'checkpoint' OR kind = 'draft' OR kind = 'decision')),
  process_id TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (item_id, kind)
);
CREATE INDEX note_process ON note (process_id);

CREATE TABLE snapshot (
  tenant_id INTEGER NOT NULL,
  account_id TEXT NOT NULL,
  strategy_version INTEGER NOT NULL,
  strategy_synced_ms BIGINT NOT NULL,
  body TEXT NOT NULL,
  updated_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, account_id)
);

CREATE TABLE audit (
  number INTEGER PRIMARY KEY,
  tenant_id INTEGER NOT NULL,
  token_id TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  data TEXT NOT NULL,
  at_ms BIGINT NOT NULL
);

-- only on postgresql
-- Rows of these change several times a life and go in the end: what is dead is swept while it is
-- little, and at the pace it comes.
ALTER TABLE process SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);

-- only on postgresql
ALTER TABLE item SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);

-- only on postgresql
ALTER TABLE delivery SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);

-- only on postgresql
ALTER TABLE event SET (autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);

-- only on postgresql
-- A few rows, each written over at every sign of life.
ALTER TABLE phone SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000);
