-- What is done beside appends: the outbox is moved into the log, and what retention does not keep any more is dropped.

-- What is moved next: some events and bytes, the oldest first.
CREATE OR REPLACE FUNCTION @schema@.waiting(_most_events integer, _most_bytes bigint)
RETURNS TABLE (id bigint, packed bytea) LANGUAGE sql STABLE AS $$
    SELECT w.id, w.packed FROM (
        SELECT o.id, o.packed, sum(o.cost) OVER (ORDER BY o.id) - o.cost AS bytes_before
        FROM (SELECT * FROM @schema@.outbox ORDER BY id LIMIT _most_events) AS o
    ) AS w WHERE w.bytes_before < _most_bytes ORDER BY w.id
$$;

-- Moves events of the outbox into the log: those with _ids, or what is next where that is NULL. Values are retained as by
-- append(), each for the event with an id of the outbox; where they would be too many, events come without them, and
-- are_full is true. Nothing is done in another epoch, or where another server goes on with the log.
CREATE OR REPLACE FUNCTION @schema@.move_outbox(
    _epoch bigint, _server text, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _tag bigint,
    _most_events integer, _most_bytes bigint, _ids bigint[],
    _retain_id bigint[], _retain_key bytea[], _retain_value bytea[], _max_values bigint, _max_value_bytes bigint,
    OUT count integer, OUT are_full boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h @schema@.head;
    moved record;
    retained record;
BEGIN
    count := 0;
    are_full := false;
    IF NOT EXISTS (SELECT FROM @schema@.outbox) THEN
        RETURN;
    END IF;
    -- What is moved is there under the lock: positions come in the order of the ids.
    SELECT * INTO h FROM @schema@.head FOR NO KEY UPDATE;
    IF h.epoch IS DISTINCT FROM _epoch OR h.server <> _server THEN
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM @schema@.outbox AS o WHERE o.id = ANY (coalesce(_ids,
            ARRAY(SELECT w.id FROM @schema@.waiting(_most_events, _most_bytes) AS w)))
        RETURNING o.id, o.packed, o.topics, o.cost, o.idempotency_key
    )
    SELECT count(*)::integer AS count, array_agg(g.id ORDER BY g.id) AS ids, array_agg(g.packed ORDER BY g.id) AS packed,
        array_agg(g.topics ORDER BY g.id) AS topics, array_agg(g.cost ORDER BY g.id) AS costs,
        array_agg(g.idempotency_key ORDER BY g.id) AS keys, count(g.idempotency_key) > 0 AS has_keys
    INTO moved FROM gone AS g;
    count := moved.count;
    IF count = 0 THEN
        RETURN;
    END IF;
    SELECT array_agg(1) AS batches, array_agg(m.i::integer ORDER BY r.i) AS events, array_agg(r.key ORDER BY r.i) AS keys,
        array_agg(r.value ORDER BY r.i) AS values
    INTO retained
    FROM unnest(_retain_id, _retain_key, _retain_value) WITH ORDINALITY AS r(id, key, value, i)
    JOIN unnest(moved.ids) WITH ORDINALITY AS m(id, i) ON m.id = r.id;
    SELECT a.refused_batch IS NOT NULL INTO are_full
    FROM @schema@.append(_epoch, _server, _max_events, _max_bytes, _max_age_ms, _tag,
        moved.packed, moved.topics, moved.costs, moved.keys,
        CASE WHEN moved.has_keys OR retained.batches IS NOT NULL THEN ARRAY[count] END, NULL, NULL, NULL, NULL,
        retained.batches, retained.events, retained.keys, retained.values, _max_values, _max_value_bytes) AS a;
    IF are_full THEN
        PERFORM @schema@.append(_epoch, _server, _max_events, _max_bytes, _max_age_ms, _tag,
            moved.packed, moved.topics, moved.costs, moved.keys,
            CASE WHEN moved.has_keys THEN ARRAY[count] END,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    END IF;
END
$$;

-- What nodes of version 2 call.
CREATE OR REPLACE FUNCTION @schema@.move_outbox(
    _epoch bigint, _server text, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _tag bigint,
    _most_events integer, _most_bytes bigint
) RETURNS integer LANGUAGE sql AS $$
    SELECT m.count FROM @schema@.move_outbox(_epoch, _server, _max_events, _max_bytes, _max_age_ms, _tag,
        _most_events, _most_bytes, NULL, NULL, NULL, NULL, NULL, NULL) AS m
$$;

-- Drops what has grown too old or too much while nobody publishes. _always: writes in any case, which shows whether the
-- log takes events.
CREATE OR REPLACE FUNCTION @schema@.trim(
    _epoch bigint, _server text, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _always boolean
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    h @schema@.head;
    now_ms bigint := @schema@.now_ms();
BEGIN
    SELECT * INTO h FROM @schema@.head;
    IF NOT _always AND (h.oldest_ms IS NULL OR NOT (h.number - h.floor_number - h.erased_events > _max_events
        OR h.bytes - h.floor_bytes - h.erased_bytes > _max_bytes
        OR h.step_ms IS NOT NULL OR now_ms < h.ms OR coalesce(h.oldest_ms < now_ms - _max_age_ms, false))) THEN
        RETURN;
    END IF;
    SELECT * INTO h FROM @schema@.head FOR NO KEY UPDATE;
    IF h.epoch = _epoch AND h.server = _server THEN
        PERFORM @schema@.write_head(h, _max_events, _max_bytes, _max_age_ms, @schema@.now_ms());
    END IF;
END
$$;

-- Empties one partition that retention has passed; whether it did. It gives up where a reader is in the way.
CREATE OR REPLACE FUNCTION @schema@.empty_slot() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    passed smallint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('@channel@_slots', 0)) THEN
        RETURN false;
    END IF;
    SELECT s.slot INTO passed FROM @schema@.slots AS s, @schema@.head AS h
    WHERE NOT s.is_empty AND s.slot <> h.slot AND (s.last_ms, s.last_seq) <= (h.floor_ms, h.floor_seq)
    ORDER BY s.last_ms, s.last_seq LIMIT 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('lock_timeout', '50ms', true);
    EXECUTE format('TRUNCATE @schema@.topic_events_%s, @schema@.events_%s', passed, passed);
    UPDATE @schema@.slots SET is_empty = true, emptied = emptied + 1 WHERE slot = passed;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

-- Forgets some topics that no event has any more; how many.
CREATE OR REPLACE FUNCTION @schema@.forget_topics(_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    unused bigint[];
    forgotten integer;
BEGIN
    SELECT array_agg(u.key) INTO unused FROM (
        SELECT t.key FROM @schema@.topics AS t
        WHERE NOT EXISTS (SELECT FROM @schema@.topic_events AS e WHERE e.topic = t.key) LIMIT _most
    ) AS u;
    IF unused IS NULL THEN
        RETURN 0;
    END IF;
    -- Nobody appends to them meanwhile.
    PERFORM FROM @schema@.head FOR NO KEY UPDATE;
    DELETE FROM @schema@.topics AS t WHERE t.key = ANY (unused)
        AND NOT EXISTS (SELECT FROM @schema@.topic_events AS e WHERE e.topic = t.key);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

-- Forgets the idempotency keys of events that were dropped, once they are too many: then any key may have been used.
CREATE OR REPLACE FUNCTION @schema@.forget_keys(_most bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    h @schema@.head;
BEGIN
    SELECT * INTO h FROM @schema@.head;
    IF NOT h.keys_forgotten THEN
        IF (SELECT count(*) FROM @schema@.keys AS k WHERE (k.ms, k.seq) <= (h.floor_ms, h.floor_seq)) <= _most THEN
            RETURN;
        END IF;
        -- First, so that no key is taken for a new one.
        UPDATE @schema@.head SET keys_forgotten = true;
    END IF;
    DELETE FROM @schema@.keys AS k WHERE (k.ms, k.seq) <= (h.floor_ms, h.floor_seq);
END
$$;
