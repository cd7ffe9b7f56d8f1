-- insert_delivery: written with the event that caused it
INSERT INTO delivery (process_id, seq, state, attempt, due_ms, tries)
VALUES (:process_id, :seq, 'pending', 0, :due_ms, '[]');

-- due_deliveries: the sender's work, oldest first, with all a body is built from
SELECT d.delivery_id, d.process_id, d.seq, d.attempt, d.due_ms, e.name, e.at_ms, e.standing
FROM delivery d JOIN event e ON e.process_id = d.process_id AND e.seq = d.seq
WHERE d.due_ms IS NOT NULL AND d.due_ms <= :now_ms
ORDER BY d.due_ms, d.delivery_id LIMIT :limit;

-- begin_delivery: the next attempt's time is on disk before this one is made
UPDATE delivery SET attempt = :attempt, due_ms = :due_ms
WHERE delivery_id = :delivery_id AND attempt = :attempt_before AND state = 'pending';

-- get_delivery: one delivery as its log shows it
SELECT delivery_id, process_id, seq, state, attempt, due_ms, tries FROM delivery
WHERE delivery_id = :delivery_id;

-- record_delivery: fenced by the attempt; a late outcome of an earlier one changes nothing
UPDATE delivery SET state = :state, due_ms = :due_ms, tries = :tries
WHERE delivery_id = :delivery_id AND attempt = :attempt;

-- list_deliveries: the delivery log of a process
SELECT d.delivery_id, d.process_id, d.seq, d.state, d.attempt, d.due_ms, d.tries, e.name, e.at_ms
FROM delivery d JOIN event e ON e.process_id = d.process_id AND e.seq = d.seq
WHERE d.process_id = :process_id ORDER BY d.seq;

-- resend_delivery: by hand, at once, with a fresh schedule
UPDATE delivery SET state = 'pending', attempt = 0, due_ms = :now_ms
WHERE process_id = :process_id AND delivery_id = :delivery_id;

-- next_delivery_due: when the sender has to look again
SELECT min(due_ms) FROM delivery WHERE due_ms IS NOT NULL;
