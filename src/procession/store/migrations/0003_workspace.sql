-- compatible
-- People who sign in, their sessions, the workspaces they look at, and what was done there.

CREATE TABLE workspace (
  workspace_id INTEGER PRIMARY KEY,
  tenant_id INTEGER NOT NULL REFERENCES tenant (tenant_id),
  name TEXT NOT NULL,
  namespace TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  UNIQUE (tenant_id, namespace)
);

-- An address names one person in the whole installation: signing in says no tenant.
CREATE TABLE person (
  person_id INTEGER PRIMARY KEY,
  tenant_id INTEGER NOT NULL REFERENCES tenant (tenant_id),
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL CHECK ((role = 'admin' OR role = 'member' OR role = 'viewer')),
  password_hash TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  disabled_ms BIGINT
);

CREATE TABLE session (
  session_id TEXT PRIMARY KEY,
  person_id INTEGER NOT NULL REFERENCES person (person_id),
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  ended_ms BIGINT
);
CREATE INDEX session_person ON session (person_id);
CREATE INDEX audit_at ON audit (tenant_id, at_ms);
