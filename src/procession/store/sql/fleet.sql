-- get_account: one account of a tenant
SELECT account_id, phone_id, app, labels, active FROM account
WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- list_accounts: all accounts of a tenant
SELECT account_id, phone_id, app, labels, active FROM account
WHERE tenant_id = :tenant_id ORDER BY account_id;

-- insert_account: a taken id inserts nothing
INSERT INTO account (tenant_id, account_id, phone_id, app, labels, active, created_ms)
VALUES (:tenant_id, :account_id, :phone_id, :app, :labels, :active, :created_ms)
ON CONFLICT (tenant_id, account_id) DO NOTHING;

-- update_account: the whole editable part
UPDATE account SET phone_id = :phone_id, app = :app, labels = :labels, active = :active
WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- get_phone: one phone of a tenant
SELECT phone_id, agent_id, health, serial, labels, paused, battery_percent, temperature_c,
  storage_free_mb, detail, seen_ms
FROM phone WHERE tenant_id = :tenant_id AND phone_id = :phone_id AND kind = 'phone';

-- list_phones: all phones of a tenant
SELECT phone_id, agent_id, health, serial, labels, paused, battery_percent, temperature_c,
  storage_free_mb, detail, seen_ms
FROM phone WHERE tenant_id = :tenant_id AND kind = 'phone' ORDER BY phone_id;

-- phone_leases: what holds the phones of a tenant
SELECT phone_id, item_id, process_id, lease_ms FROM item
WHERE tenant_id = :tenant_id AND phone_id IN {phone_ids} AND lease_ms IS NOT NULL;

-- put_phone: a phone registers itself through its agent; labels and pause are the operator's
INSERT INTO phone (tenant_id, phone_id, agent_id, health, serial, labels, paused,
  battery_percent, temperature_c, storage_free_mb, detail, seen_ms)
VALUES (:tenant_id, :phone_id, :agent_id, :health, :serial, '[]', 0,
  :battery_percent, :temperature_c, :storage_free_mb, :detail, :seen_ms)
ON CONFLICT (tenant_id, phone_id) DO UPDATE SET agent_id = excluded.agent_id,
  health = excluded.health, serial = excluded.serial, battery_percent = excluded.battery_percent,
  temperature_c = excluded.temperature_c, storage_free_mb = excluded.storage_free_mb,
  detail = excluded.detail, seen_ms = excluded.seen_ms;

-- put_lane: a lane for jobs is a phone without a device: labels are job types, detail their terms
INSERT INTO phone (tenant_id, phone_id, agent_id, kind, health, serial, labels, paused, detail,
  seen_ms)
VALUES (:tenant_id, :phone_id, :agent_id, 'lane', :health, '', :labels, 0, :detail, :seen_ms)
ON CONFLICT (tenant_id, phone_id) DO UPDATE SET agent_id = excluded.agent_id,
  health = excluded.health, labels = excluded.labels, detail = excluded.detail,
  seen_ms = excluded.seen_ms
WHERE phone.kind = 'lane';

-- lane_for: what the worker last heard of says of a job type
SELECT detail FROM phone
WHERE tenant_id = :tenant_id AND kind = 'lane' AND labels LIKE :pattern ESCAPE '\'
ORDER BY seen_ms DESC LIMIT 1;

-- edit_phone: the operator's part
UPDATE phone SET labels = :labels, paused = :paused
WHERE tenant_id = :tenant_id AND phone_id = :phone_id;

-- silent_phones: whether there is anything to do, without a write
SELECT 1 FROM phone WHERE health <> 'offline' AND seen_ms < :before_ms LIMIT 1;

-- silence_phones: an agent that has not been heard of makes its phones unreachable
UPDATE phone SET health = 'offline', detail = 'its agent is silent'
WHERE health <> 'offline' AND seen_ms < :before_ms;

-- put_agent: the same id again replaces the earlier life; another token's agent is left alone
INSERT INTO agent (agent_id, tenant_id, token_id, version, capabilities, registered_ms, seen_ms,
  draining)
VALUES (:agent_id, :tenant_id, :token_id, :version, :capabilities, :now_ms, :now_ms, 0)
ON CONFLICT (tenant_id, agent_id) DO UPDATE SET version = excluded.version,
  capabilities = excluded.capabilities, registered_ms = excluded.registered_ms,
  seen_ms = excluded.seen_ms, draining = 0
WHERE agent.token_id = excluded.token_id;

-- get_agent: who an agent is and whose token it registered with
SELECT agent_id, token_id, seen_ms, draining FROM agent
WHERE tenant_id = :tenant_id AND agent_id = :agent_id;

-- see_agent: it was heard of
UPDATE agent SET seen_ms = :now_ms WHERE tenant_id = :tenant_id AND agent_id = :agent_id;

-- drain_agent: it takes no more work; said of a former life it is too late
UPDATE agent SET draining = 1 WHERE tenant_id = :tenant_id AND agent_id = :agent_id
  AND registered_ms = COALESCE(:registered_ms, registered_ms);

-- get_snapshot: the runtime snapshot of an account
SELECT strategy_version, strategy_synced_ms, body FROM snapshot
WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- put_snapshot: only ever replaced by a newer one
INSERT INTO snapshot (tenant_id, account_id, strategy_version, strategy_synced_ms, body, updated_ms)
VALUES (:tenant_id, :account_id, :strategy_version, :strategy_synced_ms, :body, :now_ms)
ON CONFLICT (tenant_id, account_id) DO UPDATE SET strategy_version = excluded.strategy_version,
  strategy_synced_ms = excluded.strategy_synced_ms, body = excluded.body,
  updated_ms = excluded.updated_ms;

-- accounts_named: the accounts a request targets
SELECT account_id, phone_id, app, labels, active FROM account
WHERE tenant_id = :tenant_id AND account_id IN {account_ids};

-- accounts_labelled: the active accounts of a group, by the quoted label in the list of labels
SELECT account_id, phone_id, app, labels, active FROM account
WHERE tenant_id = :tenant_id AND active = 1 AND labels LIKE :pattern ESCAPE '\'
ORDER BY account_id LIMIT :limit;

-- phones_named: the phones a request targets
SELECT phone_id FROM phone
WHERE tenant_id = :tenant_id AND phone_id IN {phone_ids} AND kind = 'phone';

-- phones_labelled: the phones of a group
SELECT phone_id FROM phone
WHERE tenant_id = :tenant_id AND kind = 'phone' AND labels LIKE :pattern ESCAPE '\'
ORDER BY phone_id LIMIT :limit;

-- agent_phones: which phones an agent answers for
SELECT phone_id FROM phone WHERE tenant_id = :tenant_id AND agent_id = :agent_id;

-- lose_phones: what the new life of an agent no longer sees
UPDATE phone SET health = 'offline', detail = 'not seen by its agent'
WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND phone_id NOT IN {phone_ids};

-- live_phones: whether anybody could take work at all
SELECT 1 FROM phone
WHERE tenant_id = :tenant_id AND kind = :kind AND seen_ms >= :since_ms LIMIT 1;

-- phone_labels: the shared queues these phones look into
SELECT phone_id, labels, kind FROM phone WHERE tenant_id = :tenant_id AND phone_id IN {phone_ids};
