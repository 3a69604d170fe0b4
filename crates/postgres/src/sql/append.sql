-- What appends: each call is one transaction that holds the lock of the head until its commit.

CREATE OR REPLACE FUNCTION @schema@.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE OR REPLACE FUNCTION @schema@.topic_key(topic text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || left(md5(topic), 16))::bit(64)::bigint
$$;

-- When an event was appended. Where the clock went back, none up to the step was appended later than at its time.
CREATE OR REPLACE FUNCTION @schema@.time_of(h @schema@.head, ms bigint, seq bigint, time_ms bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN (ms, seq) <= (h.step_ms, h.step_seq) THEN least(time_ms, h.step_time_ms) ELSE time_ms END
$$;

-- Drops what retention no longer keeps, at most some thousand events at once: moves the floor.
CREATE OR REPLACE FUNCTION @schema@.drop_oldest(
    h @schema@.head, _max_events bigint, _max_bytes bigint, _since_ms bigint
) RETURNS @schema@.head LANGUAGE plpgsql AS $$
DECLARE
    most CONSTANT integer := 10000;
    e record;
    dropped integer := 0;
    is_kept boolean := false;
BEGIN
    FOR e IN
        SELECT ev.ms, ev.seq, ev.number, ev.bytes, ev.cost, ev.time_ms FROM @schema@.events AS ev
        WHERE (ev.ms, ev.seq) > (h.floor_ms, h.floor_seq) ORDER BY ev.ms, ev.seq LIMIT most + 1
    LOOP
        is_kept := dropped = most OR NOT (h.number - h.floor_number - h.erased_events > _max_events
            OR h.bytes - h.floor_bytes - h.erased_bytes > _max_bytes
            OR @schema@.time_of(h, e.ms, e.seq, e.time_ms) < _since_ms);
        EXIT WHEN is_kept;
        dropped := dropped + 1;
        -- What counts less than it did when it was appended was erased.
        IF h.erased_events > 0 AND e.cost < e.bytes - h.floor_bytes THEN
            h.erased_events := h.erased_events - 1;
            h.erased_bytes := h.erased_bytes - (e.bytes - h.floor_bytes - e.cost);
        END IF;
        h.floor_ms := e.ms;
        h.floor_seq := e.seq;
        h.floor_number := e.number;
        h.floor_bytes := e.bytes;
        h.floor_time_ms := @schema@.time_of(h, e.ms, e.seq, e.time_ms);
    END LOOP;
    IF is_kept THEN
        h.oldest_ms := e.ms;
        h.oldest_seq := e.seq;
    ELSE
        h.oldest_ms := NULL;
        h.oldest_seq := NULL;
    END IF;
    IF (h.step_ms, h.step_seq) <= (h.floor_ms, h.floor_seq) THEN
        h.step_ms := NULL;
        h.step_seq := NULL;
        h.step_time_ms := NULL;
    END IF;
    RETURN h;
END
$$;

-- Goes on in the next partition, once this one has a part of what is kept, and if that one is empty.
CREATE OR REPLACE FUNCTION @schema@.next_slot(
    h @schema@.head, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _now_ms bigint
) RETURNS @schema@.head LANGUAGE plpgsql AS $$
DECLARE
    next smallint := (h.slot + 1) % 8;
BEGIN
    IF h.number - h.slot_number < greatest(_max_events / 4, 1000)
        AND h.bytes - h.slot_bytes < greatest(_max_bytes / 4, 1048576)
        AND (_max_age_ms IS NULL OR h.number = h.slot_number
            OR _now_ms - h.slot_time_ms < greatest(_max_age_ms / 4, 1000)) THEN
        RETURN h;
    END IF;
    UPDATE @schema@.slots SET is_empty = false, last_ms = NULL, last_seq = NULL WHERE slot = next AND is_empty;
    IF NOT FOUND THEN RETURN h; END IF;
    UPDATE @schema@.slots SET last_ms = h.ms, last_seq = h.seq WHERE slot = h.slot;
    h.slot := next;
    h.slot_number := h.number;
    h.slot_bytes := h.bytes;
    h.slot_time_ms := _now_ms;
    RETURN h;
END
$$;

-- Writes the head, with the floor and the partition that follow from it.
CREATE OR REPLACE FUNCTION @schema@.write_head(
    h @schema@.head, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _now_ms bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    since bigint := coalesce(_now_ms - _max_age_ms, 0);
BEGIN
    IF h.oldest_ms IS NOT NULL AND (h.number - h.floor_number - h.erased_events > _max_events
        OR h.bytes - h.floor_bytes - h.erased_bytes > _max_bytes
        -- Only where the clock went back an event may be older than its id.
        OR (_max_age_ms IS NOT NULL AND (h.oldest_ms < since OR h.step_ms IS NOT NULL OR _now_ms < h.ms))) THEN
        h := @schema@.drop_oldest(h, _max_events, _max_bytes, since);
    END IF;
    h := @schema@.next_slot(h, _max_events, _max_bytes, _max_age_ms, _now_ms);
    UPDATE @schema@.head SET
        ms = h.ms, seq = h.seq, number = h.number, bytes = h.bytes, time_ms = h.time_ms,
        floor_ms = h.floor_ms, floor_seq = h.floor_seq, floor_number = h.floor_number, floor_bytes = h.floor_bytes,
        floor_time_ms = h.floor_time_ms, oldest_ms = h.oldest_ms, oldest_seq = h.oldest_seq,
        erased_events = h.erased_events, erased_bytes = h.erased_bytes,
        step_ms = h.step_ms, step_seq = h.step_seq, step_time_ms = h.step_time_ms,
        slot = h.slot, slot_number = h.slot_number, slot_bytes = h.slot_bytes, slot_time_ms = h.slot_time_ms,
        value_count = h.value_count, value_bytes = h.value_bytes;
END
$$;

-- Appends batches, each whole or not at all, and drops what retention no longer keeps. Events are counted through all
-- batches from 1. _counts is how many events each batch has; NULL where there are no idempotency keys, preconditions
-- and values. A precondition with a NULL id: there must be no value; a value that is NULL is removed. _retain_event is the
-- event that a value belongs to: it is written at that event's id, and not at all where that event is a repeat; NULL: at
-- the id of the batch's last event.
-- status: 'ok'; 'epoch' where the log is of another, current_epoch (NULL: there is none); 'server' where another one
-- goes on with the log. New events have, in their order, the ids (ms, first_seq), (ms, first_seq + 1), …; those at
-- repeat_at have the id that they had before. A batch at refused_batch was not appended: its value under refused_key
-- was written at refused_ms and refused_seq (NULL: there is none), or, where that key is NULL, values would be too many.
CREATE OR REPLACE FUNCTION @schema@.append(
    _epoch bigint, _server text, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _tag bigint,
    _packed bytea[], _topics text[], _costs bigint[], _keys text[], _counts integer[],
    _expect_batch integer[], _expect_key bytea[], _expect_ms bigint[], _expect_seq bigint[],
    _retain_batch integer[], _retain_event integer[], _retain_key bytea[], _retain_value bytea[],
    _max_values bigint, _max_value_bytes bigint,
    OUT status text, OUT current_epoch bigint, OUT ms bigint, OUT first_seq bigint,
    OUT repeat_at integer[], OUT repeat_ms bigint[], OUT repeat_seq bigint[],
    OUT refused_batch integer[], OUT refused_key bytea[], OUT refused_ms bigint[], OUT refused_seq bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h @schema@.head;
    now_ms bigint;
    accepted integer[] := '{}';
    count integer := 0;
    count_before integer;
    first integer;
    last integer := 0;
    is_repeated boolean;
    known record;
    bad record;
    growth record;
    new_events integer[];
    new_bytes bigint;
BEGIN
    SELECT * INTO h FROM @schema@.head FOR NO KEY UPDATE;
    IF h.epoch IS DISTINCT FROM _epoch THEN
        status := 'epoch';
        current_epoch := h.epoch;
        RETURN;
    END IF;
    IF h.server <> _server THEN
        status := 'server';
        RETURN;
    END IF;
    status := 'ok';
    now_ms := @schema@.now_ms();
    IF now_ms < h.time_ms AND (h.step_time_ms IS NULL OR now_ms <= h.step_time_ms) THEN
        h.step_ms := h.ms;
        h.step_seq := h.seq;
        h.step_time_ms := now_ms;
    END IF;
    IF now_ms > h.ms THEN
        ms := now_ms;
        first_seq := h.first_seq;
    ELSE
        ms := h.ms;
        first_seq := greatest(h.seq + 1, h.first_seq);
    END IF;

    IF _counts IS NULL THEN
        count := cardinality(_packed);
    ELSE
        FOR b IN 1..cardinality(_counts) LOOP
            first := last + 1;
            last := last + _counts[b];
            count_before := count;
            is_repeated := true;
            FOR i IN first..last LOOP
                is_repeated := _keys[i] IS NOT NULL AND EXISTS (SELECT FROM @schema@.keys AS k
                    WHERE k.key = _keys[i] AND (k.ms, k.seq) > (h.floor_ms, h.floor_seq));
                EXIT WHEN NOT is_repeated;
            END LOOP;
            IF NOT is_repeated THEN
                SELECT e.key, r.ms, r.seq INTO bad
                FROM unnest(_expect_batch, _expect_key, _expect_ms, _expect_seq) WITH ORDINALITY
                    AS e(batch, key, ms, seq, i)
                LEFT JOIN @schema@.retained AS r ON r.key = e.key
                WHERE e.batch = b AND (r.ms, r.seq) IS DISTINCT FROM (e.ms, e.seq) ORDER BY e.i LIMIT 1;
                IF FOUND THEN
                    refused_batch := refused_batch || b;
                    refused_key := refused_key || bad.key;
                    refused_ms := refused_ms || bad.ms;
                    refused_seq := refused_seq || bad.seq;
                    CONTINUE;
                END IF;
                IF b = ANY (_retain_batch) THEN
                    SELECT array_agg(e.i) INTO new_events FROM (
                        SELECT e.key, e.i, row_number() OVER (PARTITION BY e.key ORDER BY e.i) AS nth
                        FROM unnest(_keys) WITH ORDINALITY AS e(key, i) WHERE e.i BETWEEN first AND last
                    ) AS e WHERE e.key IS NULL OR e.nth = 1 AND NOT EXISTS (SELECT FROM @schema@.keys AS k
                        WHERE k.key = e.key AND (k.ms, k.seq) > (h.floor_ms, h.floor_seq));
                    SELECT count(w.value) - count(r.key) AS new_values,
                        coalesce(sum(length(w.key) + length(w.value)), 0)
                            - coalesce(sum(length(r.key) + length(r.value)), 0) AS new_bytes
                    INTO growth
                    FROM (
                        SELECT DISTINCT ON (w.key) w.key, w.value
                        FROM unnest(_retain_batch, _retain_event, _retain_key, _retain_value) WITH ORDINALITY
                            AS w(batch, event, key, value, i)
                        WHERE w.batch = b AND (w.event IS NULL OR w.event = ANY (new_events))
                        ORDER BY w.key, w.i DESC
                    ) AS w LEFT JOIN @schema@.retained AS r ON r.key = w.key;
                    IF h.value_count + growth.new_values > _max_values
                        OR h.value_bytes + growth.new_bytes > _max_value_bytes THEN
                        refused_batch := refused_batch || b;
                        refused_key := refused_key || NULL::bytea;
                        refused_ms := refused_ms || NULL::bigint;
                        refused_seq := refused_seq || NULL::bigint;
                        CONTINUE;
                    END IF;
                END IF;
            END IF;
            FOR i IN first..last LOOP
                IF _keys[i] IS NOT NULL THEN
                    SELECT k.ms, k.seq, (k.ms, k.seq) > (h.floor_ms, h.floor_seq) AS is_held INTO known
                    FROM @schema@.keys AS k WHERE k.key = _keys[i];
                    IF FOUND AND known.is_held THEN
                        repeat_at := repeat_at || i;
                        repeat_ms := repeat_ms || known.ms;
                        repeat_seq := repeat_seq || known.seq;
                        CONTINUE;
                    END IF;
                    INSERT INTO @schema@.keys AS k (key, ms, seq, is_first)
                    VALUES (_keys[i], ms, first_seq + count, NOT (h.keys_forgotten OR (h.keys_erased
                        AND EXISTS (SELECT FROM @schema@.keys AS u WHERE u.key = @schema@.used_key(_keys[i])))))
                    ON CONFLICT (key) DO UPDATE SET ms = excluded.ms, seq = excluded.seq, is_first = false;
                END IF;
                count := count + 1;
                accepted := accepted || i;
            END LOOP;
            IF count > count_before AND b = ANY (_retain_batch) THEN
                DELETE FROM @schema@.retained AS r USING unnest(_retain_batch, _retain_event, _retain_key) AS w(batch, event, key)
                WHERE w.batch = b AND (w.event IS NULL OR w.event = ANY (new_events)) AND r.key = w.key;
                INSERT INTO @schema@.retained (key, value, ms, seq)
                SELECT w.key, w.value, ms, first_seq + coalesce(array_position(accepted, w.event), count) - 1 FROM (
                    SELECT DISTINCT ON (w.key) w.key, w.value, w.event
                    FROM unnest(_retain_batch, _retain_event, _retain_key, _retain_value) WITH ORDINALITY
                        AS w(batch, event, key, value, i)
                    WHERE w.batch = b AND (w.event IS NULL OR w.event = ANY (new_events))
                    ORDER BY w.key, w.i DESC
                ) AS w WHERE w.value IS NOT NULL;
                h.value_count := h.value_count + growth.new_values;
                h.value_bytes := h.value_bytes + growth.new_bytes;
            END IF;
        END LOOP;
        IF count < cardinality(_packed) THEN
            SELECT array_agg(u.packed ORDER BY u.i), array_agg(u.topics ORDER BY u.i), array_agg(u.cost ORDER BY u.i)
            INTO _packed, _topics, _costs
            FROM unnest(_packed, _topics, _costs) WITH ORDINALITY AS u(packed, topics, cost, i)
            WHERE u.i = ANY (accepted);
        END IF;
    END IF;

    IF count > 0 THEN
        INSERT INTO @schema@.events (ms, seq, number, bytes, time_ms, tag, cost, slot, packed)
        SELECT ms, first_seq + e.i - 1, h.number + e.i, h.bytes + sum(e.cost) OVER (ORDER BY e.i), now_ms, _tag,
            e.cost, h.slot, e.packed
        FROM unnest(_packed, _costs) WITH ORDINALITY AS e(packed, cost, i);
        WITH named AS MATERIALIZED (
            SELECT e.i, t.topic, @schema@.topic_key(t.topic) AS key
            FROM unnest(_topics) WITH ORDINALITY AS e(topics, i),
                unnest(string_to_array(e.topics, E'\n')) AS t(topic)
        ), indexed AS (
            INSERT INTO @schema@.topic_events (topic, ms, seq, slot)
            SELECT n.key, ms, first_seq + n.i - 1, h.slot FROM named AS n
        )
        INSERT INTO @schema@.topics (key, topic)
        SELECT DISTINCT ON (n.key) n.key, n.topic FROM named AS n
        WHERE NOT EXISTS (SELECT FROM @schema@.topics AS t WHERE t.key = n.key)
        ON CONFLICT DO NOTHING;
        SELECT sum(c) INTO new_bytes FROM unnest(_costs) AS c;
        IF h.oldest_ms IS NULL THEN
            h.oldest_ms := ms;
            h.oldest_seq := first_seq;
        END IF;
        h.ms := ms;
        h.seq := first_seq + count - 1;
        h.number := h.number + count;
        h.bytes := h.bytes + new_bytes;
        PERFORM pg_notify('@channel@_log', h.number::text);
    END IF;
    h.time_ms := now_ms;
    PERFORM @schema@.write_head(h, _max_events, _max_bytes, _max_age_ms, now_ms);
END
$$;
