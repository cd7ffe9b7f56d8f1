-- lock_code: how the one-time code of a link stands, for one try at a time
SELECT code_hash, code_until_ms, code_tries, codes_wrong, codes_sent FROM link
WHERE link_id = :link_id {for_update};

-- get_code: the same, to look at only
SELECT code_hash, code_until_ms, code_tries, codes_wrong, codes_sent FROM link
WHERE link_id = :link_id;

-- put_code: how it stands after a code was made or tried
UPDATE link SET code_hash = :code_hash, code_until_ms = :code_until_ms, code_tries = :code_tries,
  codes_wrong = :codes_wrong, codes_sent = :codes_sent
WHERE link_id = :link_id;
