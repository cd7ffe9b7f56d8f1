-- insert_task: its item waits from now on
INSERT INTO task (task_id, tenant_id, process_id, item_id, kind, state, title, person_id,
  assignee_email, template_id, correlation_key, about_process_id, about_step, created_ms,
  expires_ms, outcome)
VALUES (:task_id, :tenant_id, :process_id, :item_id, :kind, 'pending', :title, :person_id,
  :assignee_email, :template_id, :correlation_key, :about_process_id, :about_step, :created_ms,
  :expires_ms, 'null');

-- end_task: its item waits no longer
UPDATE task SET state = :state, finished_ms = :finished_ms, outcome = :outcome
WHERE item_id = :item_id AND state = 'pending';

-- get_task: one by its own id
SELECT number, task_id, tenant_id, process_id, item_id, kind, state, title, person_id,
  assignee_email, template_id, correlation_key, about_process_id, about_step, created_ms,
  finished_ms, expires_ms, outcome
FROM task WHERE tenant_id = :tenant_id AND task_id = :task_id;

-- insert_process_metadata: to filter processes by
INSERT INTO metadata (tenant_id, subject, key, value, number, process_id)
SELECT tenant_id, 'process', :key, :value, number, process_id FROM process
WHERE process_id = :process_id;

-- insert_task_metadata: to filter tasks by
INSERT INTO metadata (tenant_id, subject, key, value, number, process_id)
SELECT tenant_id, 'task', :key, :value, number, process_id FROM task
WHERE item_id = :item_id AND state = 'pending';

-- insert_tracked: what a tracked process is found by
INSERT INTO tracked (number, process_id, tenant_id, name, template_id)
SELECT number, process_id, tenant_id, :name, :template_id FROM process
WHERE process_id = :process_id;

-- correlation_of: by what a caller knows a task again
SELECT correlation_key FROM task WHERE tenant_id = :tenant_id AND task_id = :task_id;

-- delete_tasks: with their processes
DELETE FROM task WHERE process_id IN {process_ids};

-- delete_links: with their processes
DELETE FROM link WHERE process_id IN {process_ids};

-- delete_metadata: with their processes
DELETE FROM metadata WHERE process_id IN {process_ids};

-- delete_tracked: with their processes
DELETE FROM tracked WHERE number IN (SELECT number FROM process WHERE process_id IN {process_ids});
