-- list_matching: which of these processes a filter means; by number, whatever else has an index
SELECT process_id, number, tenant_id, namespace, process_type, system, request_id, created_ms,
  request, version, due_ms, standing
FROM process
WHERE number IN {process_numbers} AND +tenant_id = :tenant_id
  AND request_id = :request_id -- if request_id
  AND namespace = :namespace -- if namespace
  AND process_type = :process_type -- if process_type
  AND state IN {states} -- if states
  AND (account_id = :account_id OR account_id IS NULL AND EXISTS (SELECT 1 FROM item i WHERE i.tenant_id = :tenant_id AND i.account_id = :account_id AND i.fan_out_number = process.number)) -- if account_id
  AND (phone_id = :phone_id OR phone_id IS NULL AND EXISTS (SELECT 1 FROM item i WHERE i.tenant_id = :tenant_id AND i.phone_id = :phone_id AND i.fan_out_number = process.number)) -- if phone_id
  AND (lower(request_id) LIKE lower(:search) ESCAPE '\' OR lower(process_type) LIKE lower(:search) ESCAPE '\' OR lower(account_id) LIKE lower(:search) ESCAPE '\') -- if search
ORDER BY number DESC LIMIT :limit;

-- count_matching: how many of these processes a filter means
SELECT count(*) FROM process
WHERE number IN {process_numbers} AND +tenant_id = :tenant_id
  AND request_id = :request_id -- if request_id
  AND namespace = :namespace -- if namespace
  AND process_type = :process_type -- if process_type
  AND state IN {states} -- if states
  AND (account_id = :account_id OR account_id IS NULL AND EXISTS (SELECT 1 FROM item i WHERE i.tenant_id = :tenant_id AND i.account_id = :account_id AND i.fan_out_number = process.number)) -- if account_id
  AND (phone_id = :phone_id OR phone_id IS NULL AND EXISTS (SELECT 1 FROM item i WHERE i.tenant_id = :tenant_id AND i.phone_id = :phone_id AND i.fan_out_number = process.number)) -- if phone_id
  AND (lower(request_id) LIKE lower(:search) ESCAPE '\' OR lower(process_type) LIKE lower(:search) ESCAPE '\' OR lower(account_id) LIKE lower(:search) ESCAPE '\') -- if search
;

-- list_namespaces: those a tenant has, from one to the next by the index
WITH RECURSIVE space (namespace, place) AS (
  SELECT (SELECT namespace FROM process WHERE tenant_id = :tenant_id
    ORDER BY namespace LIMIT 1), 1
  UNION ALL
  SELECT (SELECT p.namespace FROM process p
    WHERE p.tenant_id = :tenant_id AND p.namespace > space.namespace
    ORDER BY p.namespace LIMIT 1), space.place + 1
  FROM space WHERE space.namespace IS NOT NULL AND space.place < :limit)
SELECT namespace FROM space WHERE namespace IS NOT NULL;

-- list_types: those of a namespace, from one to the next by the index
WITH RECURSIVE kind (process_type, place) AS (
  SELECT (SELECT process_type FROM process
    WHERE tenant_id = :tenant_id AND namespace = :namespace
    ORDER BY process_type LIMIT 1), 1
  UNION ALL
  SELECT (SELECT p.process_type FROM process p
    WHERE p.tenant_id = :tenant_id AND p.namespace = :namespace
      AND p.process_type > kind.process_type
    ORDER BY p.process_type LIMIT 1), kind.place + 1
  FROM kind WHERE kind.process_type IS NOT NULL AND kind.place < :limit)
SELECT process_type FROM kind WHERE process_type IS NOT NULL;

-- newest_of_kind: what one kind in one state adds to a page, from the index alone
SELECT number FROM process
WHERE tenant_id = :tenant_id AND namespace = :namespace AND process_type = :process_type
  AND state = :state AND number < :below
ORDER BY number DESC LIMIT :limit;

-- newest_of_phone: whose only item is, or is for, this phone
SELECT number FROM process
WHERE tenant_id = :tenant_id AND phone_id = :phone_id AND number < :below
ORDER BY number DESC LIMIT :limit;

-- newest_fan_outs_of_phone: of which one of many items is on, or is for, this phone
SELECT DISTINCT fan_out_number FROM item
WHERE tenant_id = :tenant_id AND phone_id = :phone_id AND fan_out_number < :below
ORDER BY fan_out_number DESC LIMIT :limit;

-- newest_of_account: whose only item is for this account
SELECT number FROM process
WHERE tenant_id = :tenant_id AND account_id = :account_id AND number < :below
ORDER BY number DESC LIMIT :limit;

-- newest_fan_outs_of_account: of which one of many items is for this account
SELECT DISTINCT fan_out_number FROM item
WHERE tenant_id = :tenant_id AND account_id = :account_id AND fan_out_number < :below
ORDER BY fan_out_number DESC LIMIT :limit;

-- newest_of_request: a handful at most, one a system and type
SELECT number FROM process
WHERE tenant_id = :tenant_id AND request_id = :request_id AND +number < :below
ORDER BY +number DESC LIMIT :limit;

-- newest_of_all: of all tenants, for a walk that looks at each
SELECT number FROM process WHERE number < :below ORDER BY number DESC LIMIT :limit;

-- count_of_kind: up to a cap, from the index alone
SELECT count(*) FROM (SELECT 1 FROM process
  WHERE tenant_id = :tenant_id AND namespace = :namespace AND process_type = :process_type
    AND state = :state LIMIT :limit) AS counted;

-- first_number: with last_number, the range that numbers come from
SELECT min(number) FROM process;

-- last_number: see first_number
SELECT max(number) FROM process;

-- numbers_of_fan_outs: given to their items, so that lists find them by phone and account
SELECT process_id, number FROM process WHERE process_id IN {process_ids};
