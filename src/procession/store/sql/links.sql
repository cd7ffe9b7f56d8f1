-- insert_link: who holds it may see the process, or the task
INSERT INTO link (link_id, tenant_id, subject, process_id, task_id, email, name, phone, needs_code,
  created_ms, expires_ms)
VALUES (:link_id, :tenant_id, :subject, :process_id, :task_id, :email, :name, :phone, :needs_code,
  :created_ms, :expires_ms);

-- get_link: one by its id, whoever's it is: the id is all its holder knows
SELECT link_id, tenant_id, subject, process_id, task_id, email, name, phone, needs_code, created_ms,
  expires_ms, revoked_ms
FROM link WHERE link_id = :link_id;

-- list_links: those to one process, or to one task, oldest first
SELECT link_id, tenant_id, subject, process_id, task_id, email, name, phone, needs_code, created_ms,
  expires_ms, revoked_ms
FROM link WHERE process_id = :process_id AND tenant_id = :tenant_id AND subject = :subject
  AND task_id = :task_id -- if task_id
ORDER BY created_ms, link_id LIMIT :limit;

-- revoke_link: once; a second time touches nothing
UPDATE link SET revoked_ms = :now_ms
WHERE link_id = :link_id AND tenant_id = :tenant_id AND process_id = :process_id
  AND subject = :subject AND revoked_ms IS NULL;
