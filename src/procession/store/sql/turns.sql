-- forget_turns: the outcome of a turn is looked up within seconds or never
DELETE FROM turn WHERE saved_ms < :before_ms;

-- versions: whether a process that somebody waits for has changed, many in one look
SELECT process_id, version FROM process WHERE process_id IN {process_ids};
