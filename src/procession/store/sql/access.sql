-- insert_tenant: the first tenant is made when the database is created
INSERT INTO tenant (name, created_ms) VALUES (:name, :now_ms) ON CONFLICT (name) DO NOTHING;

-- get_tenant: a tenant by its name
SELECT tenant_id, name FROM tenant WHERE name = :name;

-- insert_token: only the hash is kept
INSERT INTO token (token_id, tenant_id, name, token_hash, scopes, namespace, created_ms)
VALUES (:token_id, :tenant_id, :name, :token_hash, :scopes, :namespace, :created_ms)
ON CONFLICT (token_hash) DO NOTHING;

-- find_token: by hash, so the time it takes says nothing about the token
SELECT t.token_id, t.tenant_id, t.scopes, t.namespace, t.revoked_ms FROM token t
WHERE t.token_hash = :token_hash;

-- list_tokens: never the token itself
SELECT t.token_id, n.name, t.name, t.scopes, t.namespace, t.created_ms, t.revoked_ms
FROM token t JOIN tenant n ON n.tenant_id = t.tenant_id ORDER BY t.created_ms;

-- revoke_token: takes effect on the next look-up
UPDATE token SET revoked_ms = :now_ms WHERE token_id = :token_id AND revoked_ms IS NULL;

-- insert_audit: who did what to which object
INSERT INTO audit (tenant_id, token_id, action, subject, data, at_ms)
VALUES (:tenant_id, :token_id, :action, :subject, :data, :at_ms);

-- get_meta: one word the installation remembers
SELECT value FROM meta WHERE name = :name;

-- put_meta: one word the installation remembers
INSERT INTO meta (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- forget_meta: it is over
DELETE FROM meta WHERE name = :name;

-- keep_meta: the first word stays
INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING;

-- list_migrations: what was applied already
SELECT name, breaks FROM migration ORDER BY name;

-- insert_migration: applied once
INSERT INTO migration (name, breaks, applied_ms) VALUES (:name, :breaks, :applied_ms);

-- put_server: at work, and the last migration it understands
INSERT INTO server (server_id, version, migration, seen_ms)
VALUES (:server_id, :version, :migration, :seen_ms)
ON CONFLICT (server_id) DO UPDATE SET seen_ms = excluded.seen_ms;

-- live_servers: who would be broken by a migration
SELECT server_id, version, migration, seen_ms FROM server WHERE seen_ms >= :since_ms
ORDER BY server_id;

-- drop_server: it has ended in order
DELETE FROM server WHERE server_id = :server_id;

-- forget_servers: those that ended otherwise, long ago
DELETE FROM server WHERE seen_ms < :before_ms;

-- savepoint: an errand that is refused takes back its own writes only
SAVEPOINT errand;

-- rollback_to_savepoint: see savepoint
ROLLBACK TO SAVEPOINT errand;

-- release_savepoint: see savepoint
RELEASE SAVEPOINT errand;
