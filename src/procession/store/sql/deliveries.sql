-- insert_delivery: written with the event that caused it
INSERT INTO delivery (process_id, seq, origin, state, attempt, due_ms, tries)
VALUES (:process_id, :seq, :origin, 'pending', 0, :due_ms, '[]');

-- due_deliveries: the sender's work, oldest first; none overtakes an earlier one in its first try
SELECT d.delivery_id, d.process_id, d.seq, d.origin, d.attempt, e.name, e.at_ms, e.standing
FROM delivery d JOIN event e ON e.process_id = d.process_id AND e.seq = d.seq
WHERE d.due_ms IS NOT NULL AND d.due_ms <= :now_ms AND d.origin NOT IN {busy}
  AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.process_id = d.process_id AND f.seq < d.seq
    AND f.due_ms > :now_ms AND f.attempt = 1 AND f.tries = '[]')
ORDER BY d.due_ms, d.process_id, d.seq LIMIT :limit;

-- begin_delivery: the next attempt's time is on disk before this one is made
UPDATE delivery SET attempt = attempt + 1, due_ms = :due_ms
WHERE delivery_id = :delivery_id AND attempt = :attempt_before AND state = 'pending';

-- delivery_tries: the log a new try is added to
SELECT tries FROM delivery WHERE delivery_id = :delivery_id AND attempt = :attempt;

-- record_delivery: fenced by the attempt; a late outcome of an earlier one changes nothing
UPDATE delivery SET state = :state, due_ms = :due_ms, tries = :tries
WHERE delivery_id = :delivery_id AND attempt = :attempt;

-- list_deliveries: the delivery log of a process
SELECT d.delivery_id, d.seq, e.name, d.state, d.attempt, d.due_ms, e.at_ms, d.tries
FROM delivery d JOIN event e ON e.process_id = d.process_id AND e.seq = d.seq
WHERE d.process_id = :process_id ORDER BY d.seq;

-- hasten_delivery: one that still waits is sent at once
UPDATE delivery SET due_ms = :now_ms
WHERE process_id = :process_id AND delivery_id = :delivery_id AND state = 'pending';

-- resend_delivery: by hand, as a new row with a fresh schedule; the old one's fence stays
INSERT INTO delivery (process_id, seq, origin, state, attempt, due_ms, tries)
SELECT process_id, seq, origin, 'pending', 0, :now_ms, '[]' FROM delivery
WHERE process_id = :process_id AND delivery_id = :delivery_id;
