-- insert_process: a duplicate key inserts nothing; the caller counts rows and looks again
INSERT INTO process (process_id, tenant_id, namespace, process_type, system, request_id,
  created_ms, request, version, state, due_ms, finished_ms, phone_id, account_id, standing)
VALUES (:process_id, :tenant_id, :namespace, :process_type, :system, :request_id,
  :created_ms, :request, :version, :state, :due_ms, :finished_ms, :phone_id, :account_id, :standing)
ON CONFLICT (tenant_id, process_type, system, request_id) DO NOTHING;

-- update_process: the version read under the lock guards the write
UPDATE process SET version = :version, state = :state, due_ms = :due_ms,
  finished_ms = :finished_ms, phone_id = :phone_id, account_id = :account_id, standing = :standing
WHERE process_id = :process_id AND version = :version_before;

-- lock_processes: all processes a turn decides about, in the order every server locks them
SELECT process_id, number, tenant_id, namespace, process_type, system, request_id, created_ms,
  request, version, due_ms, standing
FROM process WHERE process_id IN {process_ids} ORDER BY process_id {for_update};

-- get_process: one record by its id
SELECT process_id, number, tenant_id, namespace, process_type, system, request_id, created_ms,
  request, version, due_ms, standing
FROM process WHERE process_id = :process_id;

-- get_processes: several records by their ids
SELECT process_id, number, tenant_id, namespace, process_type, system, request_id, created_ms,
  request, version, due_ms, standing
FROM process WHERE process_id IN {process_ids} ORDER BY process_id;

-- get_process_numbered: one record by its number
SELECT process_id, number, tenant_id, namespace, process_type, system, request_id, created_ms,
  request, version, due_ms, standing
FROM process WHERE number = :number;

-- find_request: the process that already has this idempotency key
SELECT process_id, number, tenant_id, namespace, process_type, system, request_id, created_ms,
  request, version, due_ms, standing
FROM process WHERE tenant_id = :tenant_id AND process_type = :process_type
  AND system = :system AND request_id = :request_id;

-- present_processes: which of the inserted really are there, when some were duplicates
SELECT process_id FROM process WHERE process_id IN {process_ids};

-- due_processes: whose state's deadline is over
SELECT process_id FROM process WHERE due_ms IS NOT NULL AND due_ms <= :now_ms
ORDER BY due_ms LIMIT :limit;

-- prunable_processes: finished so long ago that the record may go, unless a callback is pending
SELECT process_id FROM process
WHERE finished_ms IS NOT NULL AND finished_ms < :before_ms
  AND NOT EXISTS (SELECT 1 FROM delivery d
    WHERE d.process_id = process.process_id AND d.due_ms IS NOT NULL)
  AND process_id NOT IN (SELECT i.process_id FROM item i WHERE i.lease_ms IS NOT NULL)
ORDER BY finished_ms LIMIT :limit;

-- delete_events: a process's record goes whole
DELETE FROM event WHERE process_id IN {process_ids};

-- delete_deliveries: a process's record goes whole
DELETE FROM delivery WHERE process_id IN {process_ids};

-- delete_outputs: a process's record goes whole
DELETE FROM output WHERE process_id IN {process_ids};

-- delete_notes: a process's record goes whole
DELETE FROM note WHERE process_id IN {process_ids};

-- delete_items: a process's record goes whole
DELETE FROM item WHERE item_id IN {item_ids} AND process_id IN {process_ids};

-- delete_processes: a process's record goes whole
DELETE FROM process WHERE process_id IN {process_ids} AND finished_ms IS NOT NULL;

-- insert_event: the log is only ever added to
INSERT INTO event (process_id, seq, name, at_ms, data, standing)
VALUES (:process_id, :seq, :name, :at_ms, :data, :standing);

-- list_events: the log from a sequence number on
SELECT seq, name, at_ms, data FROM event
WHERE process_id = :process_id AND seq > :after ORDER BY seq LIMIT :limit;

-- list_standings: how the process stood after each event, for streams and callbacks
SELECT seq, name, at_ms, standing FROM event
WHERE process_id = :process_id AND seq > :after ORDER BY seq LIMIT :limit;

-- count_states: what has not ended, for metrics; counting millions that have would hold up the rest
SELECT state, count(*) FROM process WHERE due_ms IS NOT NULL GROUP BY state;
