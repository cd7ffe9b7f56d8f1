-- insert_delivery: written with the event that caused it
INSERT INTO delivery (process_id, seq, origin, state, attempt, due_ms, tries)
VALUES (:process_id, :seq, :origin, 'pending', 0, :due_ms, '[]');

-- insert_sink_delivery: as insert_delivery, to one of the process's sinks
INSERT INTO delivery (process_id, seq, origin, state, attempt, due_ms, tries, sink)
VALUES (:process_id, :seq, :origin, 'pending', 0, :due_ms, '[]', :sink);

-- due_origins: from host to host by the index, so that it costs the same however much waits
WITH RECURSIVE host (origin, place) AS (
  SELECT (SELECT origin FROM delivery WHERE due_ms IS NOT NULL AND origin > :after
    ORDER BY origin LIMIT 1), 1
  UNION ALL
  SELECT (SELECT d.origin FROM delivery d WHERE d.due_ms IS NOT NULL AND d.origin > host.origin
    ORDER BY d.origin LIMIT 1), host.place + 1
  FROM host WHERE host.origin IS NOT NULL AND host.place < :limit)
SELECT host.origin, (SELECT d.due_ms FROM delivery d
  WHERE d.due_ms IS NOT NULL AND d.origin = host.origin ORDER BY d.due_ms LIMIT 1)
FROM host WHERE host.origin IS NOT NULL ORDER BY host.origin;

-- due_deliveries: a host's work, oldest first; none overtakes an earlier one in its first try
SELECT p.process_id, p.number, p.tenant_id, p.namespace, p.process_type, p.system, p.request_id,
  p.created_ms, p.request, d.seq, p.due_ms, e.standing,
  d.delivery_id, d.attempt, d.due_ms, e.name, e.at_ms, d.sink
FROM delivery d JOIN event e ON e.process_id = d.process_id AND e.seq = d.seq
  JOIN process p ON p.process_id = d.process_id
WHERE d.origin = :origin AND d.due_ms IS NOT NULL AND d.due_ms <= :now_ms
  AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.process_id = d.process_id AND f.seq < d.seq
    AND f.due_ms > :now_ms AND f.attempt = 1 AND f.tries = '[]')
ORDER BY d.due_ms, d.delivery_id LIMIT :limit;

-- begin_delivery: the next attempt's time is on disk before this one is made
UPDATE delivery SET attempt = attempt + 1, due_ms = :next_ms
WHERE delivery_id = :delivery_id AND attempt = :attempt AND due_ms = :due_ms;

-- release_delivery: begun and not tried, it is as it was before
UPDATE delivery SET attempt = :attempt, due_ms = :due_ms
WHERE delivery_id = :delivery_id AND attempt = :attempt + 1 AND state = 'pending';

-- delivery_tries: the logs new tries are added to
SELECT delivery_id, attempt, tries FROM delivery WHERE delivery_id IN {delivery_numbers} {for_update};

-- record_delivery: fenced by the attempt; a late outcome of an earlier one changes nothing
UPDATE delivery SET state = :state, due_ms = :due_ms, tries = :tries
WHERE delivery_id = :delivery_id AND attempt = :attempt;

-- list_deliveries: the delivery log of a process
SELECT d.delivery_id, d.seq, e.name, d.state, d.attempt, d.due_ms, e.at_ms, d.tries, d.origin
FROM delivery d JOIN event e ON e.process_id = d.process_id AND e.seq = d.seq
WHERE d.process_id = :process_id ORDER BY d.seq;

-- hasten_delivery: one that still waits is sent at once
UPDATE delivery SET due_ms = :now_ms
WHERE process_id = :process_id AND delivery_id = :delivery_id AND state = 'pending';

-- resend_delivery: by hand, as a new row with a fresh schedule; the old one's fence stays
INSERT INTO delivery (process_id, seq, origin, state, attempt, due_ms, tries, sink)
SELECT process_id, seq, origin, 'pending', 0, :now_ms, '[]', sink FROM delivery
WHERE process_id = :process_id AND delivery_id = :delivery_id;
