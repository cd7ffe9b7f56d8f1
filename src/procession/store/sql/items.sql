-- insert_item: planned work, waiting in its queue
INSERT INTO item (item_id, process_id, tenant_id, capability, queue, step, state, attempt,
  attempts_max, lost, due_ms, lease_ms, run_until_ms, stop_order, phone_id, account_id, agent_id,
  percent, claimed_ms, started_ms, finished_ms, inputs, error, result, fan_out_number)
VALUES (:item_id, :process_id, :tenant_id, :capability, :queue, :step, :state, :attempt,
  :attempts_max, :lost, :due_ms, :lease_ms, :run_until_ms, :stop_order, :phone_id, :account_id,
  :agent_id, :percent, :claimed_ms, :started_ms, :finished_ms, :inputs, :error, :result,
  :fan_out_number);

-- update_item: the state and attempt read under the process's lock guard the write
UPDATE item SET state = :state, attempt = :attempt, attempts_max = :attempts_max, lost = :lost,
  due_ms = :due_ms, lease_ms = :lease_ms, run_until_ms = :run_until_ms, stop_order = :stop_order,
  phone_id = :phone_id, account_id = :account_id, agent_id = :agent_id, percent = :percent,
  claimed_ms = :claimed_ms, started_ms = :started_ms, finished_ms = :finished_ms, error = :error,
  result = :result
WHERE item_id = :item_id AND attempt = :attempt_before AND state = :state_before;

-- get_items: the items a decision touches
SELECT item_id, process_id, tenant_id, capability, queue, step, state, attempt, attempts_max,
  lost, due_ms, lease_ms, run_until_ms, stop_order, phone_id, account_id, agent_id, percent,
  claimed_ms, started_ms, finished_ms, inputs, error, result
FROM item WHERE item_id IN {item_ids};

-- get_process_items: a range of ids is all items of a process
SELECT item_id, process_id, tenant_id, capability, queue, step, state, attempt, attempts_max,
  lost, due_ms, lease_ms, run_until_ms, stop_order, phone_id, account_id, agent_id, percent,
  claimed_ms, started_ms, finished_ms, inputs, error, result
FROM item
WHERE item_id > :after AND item_id <= :last_item_id AND process_id = :process_id
ORDER BY item_id LIMIT :limit;

-- completed_item_ids: for the record of a fan-out
SELECT item_id FROM item
WHERE item_id > :process_id AND item_id <= :last_item_id AND process_id = :process_id
  AND state = 'completed'
ORDER BY item_id;

-- due_items: time itself decides about these
SELECT item_id, process_id FROM item WHERE due_ms IS NOT NULL AND due_ms <= :now_ms
ORDER BY due_ms LIMIT :limit;

-- free_phones: which of these phones may take work now: own agent, healthy, not paused, not held
SELECT phone_id, labels, kind FROM phone
WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND health = 'available' AND paused = 0
  AND phone_id IN {phone_ids}
  AND NOT EXISTS (SELECT 1 FROM item i WHERE i.tenant_id = phone.tenant_id
    AND i.phone_id = phone.phone_id AND i.lease_ms IS NOT NULL);

-- queue_head: the oldest of a queue, from a number on, that no other server has in hand
SELECT i.number, i.item_id, i.process_id, i.tenant_id, i.capability, i.queue, i.step, i.state,
  i.attempt, i.attempts_max, i.lost, i.due_ms, i.lease_ms, i.run_until_ms, i.stop_order,
  i.phone_id, i.account_id, i.agent_id, i.percent, i.claimed_ms, i.started_ms, i.finished_ms,
  i.inputs, i.error, i.result,
  p.process_id, p.number, p.tenant_id, p.namespace, p.process_type, p.system, p.request_id,
  p.created_ms, p.request, p.version, p.due_ms, p.standing
FROM item i
JOIN process p ON p.process_id = i.process_id
WHERE i.tenant_id = :tenant_id AND i.queue = :queue AND i.state = 'queued'
  AND i.number + 0 >= :from_number
ORDER BY i.number + 0 LIMIT :limit {skip_locked};

-- phone_lease: the item that holds a phone
SELECT item_id, process_id, tenant_id, capability, queue, step, state, attempt, attempts_max,
  lost, due_ms, lease_ms, run_until_ms, stop_order, phone_id, account_id, agent_id, percent,
  claimed_ms, started_ms, finished_ms, inputs, error, result
FROM item WHERE tenant_id = :tenant_id AND phone_id = :phone_id AND lease_ms IS NOT NULL;

-- queue_ahead: how many items wait before this one, counted up to a cap
SELECT count(*) FROM (SELECT 1 FROM item
  WHERE tenant_id = :tenant_id AND queue = :queue AND state = 'queued'
    AND item_id < :item_id LIMIT 1000) AS ahead;

-- queue_length: how many items wait in a queue, counted up to a cap
SELECT count(*) FROM (SELECT 1 FROM item
  WHERE tenant_id = :tenant_id AND queue = :queue AND state = 'queued' LIMIT 10000) AS waiting;

-- put_output: the last word of an attempt wins
INSERT INTO output (item_id, attempt, process_id, text, truncated)
VALUES (:item_id, :attempt, :process_id, :text, :truncated)
ON CONFLICT (item_id, attempt) DO UPDATE SET text = excluded.text, truncated = excluded.truncated;

-- list_outputs: what the runs of an item printed
SELECT attempt, text, truncated FROM output WHERE item_id = :item_id ORDER BY attempt;

-- item_processes: which processes items belong to
SELECT item_id, process_id FROM item WHERE item_id IN {item_ids};

-- next_item_due: when time decides about an item again
SELECT min(due_ms) FROM item WHERE due_ms IS NOT NULL;

-- renew_all_leases: while the server was down nobody could renew, so nobody loses by it
UPDATE item SET lease_ms = :lease_ms,
  due_ms = CASE WHEN run_until_ms < :due_ms THEN run_until_ms ELSE :due_ms END
WHERE lease_ms IS NOT NULL AND lease_ms < :lease_ms
  AND NOT EXISTS (SELECT 1 FROM agent a WHERE a.seen_ms > :alive_ms);

-- put_note: a later note of a kind replaces the one before
INSERT INTO note (item_id, kind, process_id, body) VALUES (:item_id, :kind, :process_id, :body)
ON CONFLICT (item_id, kind) DO UPDATE SET body = excluded.body;

-- get_notes: what earlier runs of these items left, and what people said
SELECT item_id, kind, body FROM note WHERE item_id IN {item_ids};
