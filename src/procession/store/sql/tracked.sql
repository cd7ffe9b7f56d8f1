-- oldest_of_kind: as newest_of_kind from the other end, told mirrored, so that numbers fall there too
SELECT 2305843009213693952 - number FROM process
WHERE tenant_id = :tenant_id AND namespace = :namespace AND process_type = :process_type
  AND state = :state AND number > 2305843009213693952 - :below
ORDER BY number LIMIT :limit;

-- oldest_of_all: as newest_of_all from the other end, told mirrored
SELECT 2305843009213693952 - number FROM process
WHERE number > 2305843009213693952 - :below ORDER BY number LIMIT :limit;

-- newest_marked: processes with this metadata
SELECT number FROM metadata
WHERE tenant_id = :tenant_id AND subject = 'process' AND key = :key AND value = :value
  AND number < :below
ORDER BY number DESC LIMIT :limit;

-- oldest_marked: as newest_marked from the other end, told mirrored
SELECT 2305843009213693952 - number FROM metadata
WHERE tenant_id = :tenant_id AND subject = 'process' AND key = :key AND value = :value
  AND number > 2305843009213693952 - :below
ORDER BY number LIMIT :limit;

-- newest_of_template: tracked processes that were made from it
SELECT number FROM tracked
WHERE tenant_id = :tenant_id AND template_id = :template_id AND number < :below
ORDER BY number DESC LIMIT :limit;

-- oldest_of_template: as newest_of_template from the other end, told mirrored
SELECT 2305843009213693952 - number FROM tracked
WHERE tenant_id = :tenant_id AND template_id = :template_id
  AND number > 2305843009213693952 - :below
ORDER BY number LIMIT :limit;

-- count_of_kind_between: what an offset leaves out, from the index alone
SELECT count(*) FROM process
WHERE tenant_id = :tenant_id AND namespace = :namespace AND process_type = :process_type
  AND state = :state AND number > :above AND number < :below;

-- numbers_named: whose name holds a text, through the trigrams; in no order
SELECT rowid FROM tracked_text
WHERE name LIKE :loosely AND tenant_id = :tenant_id AND name LIKE :search ESCAPE '\'
LIMIT :limit;

-- numbers_scanned: of a range, where a text is too short for the trigrams (whose index is kept out)
SELECT number FROM tracked
WHERE number > :above AND number <= :upto AND +tenant_id = :tenant_id
  AND name || '' LIKE :search ESCAPE '\';

-- sift_processes: which of these a filter means by what every process has
SELECT number FROM process
WHERE number IN {process_numbers} AND +tenant_id = :tenant_id AND process_type <> 'task'
  AND namespace = :namespace -- if namespace
  AND state IN {states} -- if states
;

-- sift_names: which of these have a text in their names, or are of a type that has it in its own
SELECT number FROM tracked
WHERE number IN {process_numbers} AND +tenant_id = :tenant_id AND name LIKE :search ESCAPE '\'
UNION ALL SELECT number FROM process WHERE number IN {process_numbers} AND +tenant_id = :tenant_id AND process_type IN {process_types} -- if process_types
;

-- sift_marked: which of these have this metadata
SELECT number FROM metadata
WHERE tenant_id = :tenant_id AND subject = 'process' AND key = :key AND value = :value
  AND number IN {process_numbers};

-- sift_templates: which of these were made from a template
SELECT number FROM tracked
WHERE number IN {process_numbers} AND +tenant_id = :tenant_id AND template_id = :template_id;

-- processes_numbered: the records of a page
SELECT process_id, number, tenant_id, namespace, process_type, system, request_id, created_ms,
  request, version, due_ms, standing
FROM process WHERE number IN {process_numbers};

-- tracked_templates: those a tenant has, from one to the next by the index
WITH RECURSIVE template (template_id, place) AS (
  SELECT (SELECT template_id FROM tracked WHERE tenant_id = :tenant_id AND template_id IS NOT NULL
    ORDER BY template_id LIMIT 1), 1
  UNION ALL
  SELECT (SELECT t.template_id FROM tracked t
    WHERE t.tenant_id = :tenant_id AND t.template_id IS NOT NULL
      AND t.template_id > template.template_id
    ORDER BY t.template_id LIMIT 1), template.place + 1
  FROM template WHERE template.template_id IS NOT NULL AND template.place < :limit)
SELECT template_id FROM template WHERE template_id IS NOT NULL;

-- tasks_of_processes: whom each of these waits or waited for, with the step or the item it is about
SELECT about_process_id, about_step, NULL AS item_id, task_id, number FROM task
WHERE about_process_id IN {process_ids}
UNION ALL
SELECT process_id, NULL, item_id, task_id, number FROM task WHERE process_id IN {process_ids}
ORDER BY 5 LIMIT :limit;

-- tasks_changed: those of these processes that began or ended lately, oldest first
SELECT number, task_id, tenant_id, process_id, item_id, kind, state, title, person_id,
  assignee_email, template_id, correlation_key, about_process_id, about_step, created_ms,
  finished_ms, expires_ms, outcome
FROM task
WHERE process_id IN {process_ids} AND (created_ms >= :since_ms OR finished_ms >= :since_ms)
ORDER BY number LIMIT :limit;
