-- insert_workspace: a namespace with a name people know it by
INSERT INTO workspace (tenant_id, name, namespace, created_ms)
VALUES (:tenant_id, :name, :namespace, :now_ms) ON CONFLICT (tenant_id, namespace) DO NOTHING;

-- list_workspaces: those of a tenant
SELECT workspace_id, name, namespace FROM workspace WHERE tenant_id = :tenant_id
ORDER BY workspace_id;

-- insert_person: an address is taken once
INSERT INTO person (tenant_id, email, name, role, password_hash, created_ms)
VALUES (:tenant_id, :email, :name, :role, :password_hash, :now_ms)
ON CONFLICT (email) DO NOTHING;

-- find_person: who signs in
SELECT person_id, tenant_id, email, name, role, password_hash FROM person
WHERE email = :email AND disabled_ms IS NULL;

-- list_people: never their passwords
SELECT p.person_id, n.name, p.email, p.name, p.role, p.created_ms, p.disabled_ms
FROM person p JOIN tenant n ON n.tenant_id = p.tenant_id ORDER BY p.person_id;

-- set_password: a new hash, by hand or because the old one is weaker than today's
UPDATE person SET password_hash = :password_hash WHERE email = :email;

-- disable_person: signs in no more
UPDATE person SET disabled_ms = :now_ms WHERE email = :email AND disabled_ms IS NULL;

-- insert_session: one sign-in
INSERT INTO session (session_id, person_id, created_ms, expires_ms)
VALUES (:session_id, :person_id, :now_ms, :expires_ms);

-- live_session: whose session it is, if it is live
SELECT p.person_id, p.tenant_id, p.email, p.name, p.role FROM session s
JOIN person p ON p.person_id = s.person_id
WHERE s.session_id = :session_id AND s.ended_ms IS NULL AND s.expires_ms > :now_ms
  AND p.disabled_ms IS NULL;

-- end_session: signing out
UPDATE session SET ended_ms = :now_ms WHERE session_id = :session_id AND ended_ms IS NULL;

-- end_sessions: of one person
UPDATE session SET ended_ms = :now_ms WHERE ended_ms IS NULL
  AND person_id IN (SELECT person_id FROM person WHERE email = :email);

-- sessions_of: the live ones of one person
SELECT s.session_id FROM session s JOIN person p ON p.person_id = s.person_id
WHERE p.email = :email AND s.ended_ms IS NULL;

-- drop_sessions: long over
DELETE FROM session WHERE expires_ms < :before_ms;

-- list_audit: what was done in a tenant, newest first
SELECT number, token_id, action, subject, data, at_ms FROM audit
WHERE tenant_id = :tenant_id AND number < :below ORDER BY number DESC LIMIT :limit;
