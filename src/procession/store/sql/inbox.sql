-- list_tasks: those a filter means, in the order of their creation
SELECT number, task_id, tenant_id, process_id, item_id, kind, state, title, person_id,
  assignee_email, template_id, correlation_key, about_process_id, about_step, created_ms,
  finished_ms, expires_ms, outcome
FROM task
WHERE tenant_id = :tenant_id
  AND number IN {task_numbers} -- if task_numbers
  AND state = :state -- if state
  AND person_id = :person_id -- if person_id
  AND assignee_email = :assignee_email -- if assignee_email
  AND person_id IS NULL AND assignee_email IS NULL -- if unassigned
  AND template_id = :template_id -- if template_id
  AND correlation_key = :correlation_key -- if correlation_key
  AND (about_process_id = :process_id OR process_id = :process_id) -- if process_id
  AND lower(title) LIKE lower(:search) ESCAPE '\' -- if search
  AND EXISTS (SELECT 1 FROM metadata m WHERE m.tenant_id = :tenant_id AND m.subject = 'task' AND m.key = :first_key AND m.value = :first_value AND m.number = task.number) -- if first_key
  AND EXISTS (SELECT 1 FROM metadata m WHERE m.tenant_id = :tenant_id AND m.subject = 'task' AND m.key = :second_key AND m.value = :second_value AND m.number = task.number) -- if second_key
  AND EXISTS (SELECT 1 FROM metadata m WHERE m.tenant_id = :tenant_id AND m.subject = 'task' AND m.key = :third_key AND m.value = :third_value AND m.number = task.number) -- if third_key
ORDER BY number DESC -- if !oldest_first
ORDER BY number -- if oldest_first
LIMIT :limit OFFSET :offset;

-- count_tasks: how many a filter means, up to a cap
SELECT count(*) FROM (SELECT 1 FROM task
WHERE tenant_id = :tenant_id
  AND number IN {task_numbers} -- if task_numbers
  AND state = :state -- if state
  AND person_id = :person_id -- if person_id
  AND assignee_email = :assignee_email -- if assignee_email
  AND person_id IS NULL AND assignee_email IS NULL -- if unassigned
  AND template_id = :template_id -- if template_id
  AND correlation_key = :correlation_key -- if correlation_key
  AND (about_process_id = :process_id OR process_id = :process_id) -- if process_id
  AND lower(title) LIKE lower(:search) ESCAPE '\' -- if search
  AND EXISTS (SELECT 1 FROM metadata m WHERE m.tenant_id = :tenant_id AND m.subject = 'task' AND m.key = :first_key AND m.value = :first_value AND m.number = task.number) -- if first_key
  AND EXISTS (SELECT 1 FROM metadata m WHERE m.tenant_id = :tenant_id AND m.subject = 'task' AND m.key = :second_key AND m.value = :second_value AND m.number = task.number) -- if second_key
  AND EXISTS (SELECT 1 FROM metadata m WHERE m.tenant_id = :tenant_id AND m.subject = 'task' AND m.key = :third_key AND m.value = :third_value AND m.number = task.number) -- if third_key
LIMIT :limit) AS counted;

-- tasks_titled: whose title holds a text, through the trigrams; in no order
SELECT rowid FROM task_text
WHERE title LIKE lower(:loosely) AND tenant_id = :tenant_id
  AND lower(title) LIKE lower(:search) ESCAPE '\'
LIMIT :limit;

-- tasks_scanned: whose title holds a text too short for the trigrams, of the newest so many
SELECT number FROM (SELECT number, title FROM task WHERE tenant_id = :tenant_id
  ORDER BY number DESC LIMIT :scanned) AS newest
WHERE lower(title) LIKE lower(:search) ESCAPE '\'
LIMIT :limit;

-- tasks_marked: with this metadata; in no order
SELECT number FROM metadata
WHERE tenant_id = :tenant_id AND subject = 'task' AND key = :key AND value = :value
LIMIT :limit;

-- task_templates: those a tenant has, from one to the next by the index
WITH RECURSIVE template (template_id, place) AS (
  SELECT (SELECT template_id FROM task WHERE tenant_id = :tenant_id AND template_id IS NOT NULL
    ORDER BY template_id LIMIT 1), 1
  UNION ALL
  SELECT (SELECT t.template_id FROM task t
    WHERE t.tenant_id = :tenant_id AND t.template_id IS NOT NULL
      AND t.template_id > template.template_id
    ORDER BY t.template_id LIMIT 1), template.place + 1
  FROM template WHERE template.template_id IS NOT NULL AND template.place < :limit)
SELECT template_id FROM template WHERE template_id IS NOT NULL;

-- get_member: a person of a tenant who may sign in, by id
SELECT person_id, email, name FROM person
WHERE tenant_id = :tenant_id AND person_id = :person_id AND disabled_ms IS NULL;

-- find_member: a person of a tenant who may sign in, by address
SELECT person_id, email, name FROM person
WHERE tenant_id = :tenant_id AND email = :email AND disabled_ms IS NULL;

-- list_admins: those of a tenant, to whom is told what nobody does
SELECT email FROM person
WHERE tenant_id = :tenant_id AND role = 'admin' AND disabled_ms IS NULL
ORDER BY person_id LIMIT :limit;
