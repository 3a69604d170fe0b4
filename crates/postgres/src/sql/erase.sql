-- What erases events before retention drops them.

-- The name by which the index has erased events of a topic: no topic has a line end.
CREATE OR REPLACE FUNCTION @schema@.erased_topic(topic text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT E'\n' || topic
$$;

-- What stands in place of an idempotency key whose event was erased: no key has a control character.
CREATE OR REPLACE FUNCTION @schema@.used_key(key text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT E'\n' || md5(key)
$$;

-- What is left of a packed event: whether it was private, and its topics; also these, and its idempotency key.
CREATE OR REPLACE FUNCTION @schema@.erased(_packed bytea, OUT packed bytea, OUT topics text[], OUT key text)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    -- More than all names take. Data that is stored out of line is not read for them.
    names CONSTANT bytea := substring(_packed FROM 1 FOR 500000);
    flags CONSTANT integer := get_byte(names, 0);
    -- After the reconnection time and the trace, where there are such.
    first CONSTANT integer := 1 + CASE WHEN flags & 8 = 0 THEN 0 ELSE 8 END + CASE WHEN flags & 32 = 0 THEN 0 ELSE 25 END;
    count CONSTANT integer := get_byte(names, first);
    at integer := first + 1;
    length integer;
BEGIN
    topics := '{}';
    FOR i IN 1..count LOOP
        length := get_byte(names, at) * 256 + get_byte(names, at + 1);
        topics := topics || convert_from(substring(names FROM at + 3 FOR length), 'UTF8');
        at := at + 2 + length;
    END LOOP;
    packed := set_byte('\x00', 0, (flags & 1) | 64) || substring(names FROM first + 1 FOR at - first);
    IF flags & 2 <> 0 THEN
        at := at + 2 + get_byte(names, at) * 256 + get_byte(names, at + 1);
    END IF;
    IF flags & 4 <> 0 THEN
        length := get_byte(names, at) * 256 + get_byte(names, at + 1);
        key := convert_from(substring(names FROM at + 3 FOR length), 'UTF8');
    END IF;
END
$$;

-- Has the tables keep what is left of some events; also given are the topics of each, one a line, and its idempotency key.
CREATE OR REPLACE FUNCTION @schema@.keep_erased(_events @schema@.events[], _topics text[], _keys text[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE @schema@.events AS ev SET packed = e.packed, cost = e.cost FROM unnest(_events) AS e
    WHERE ev.slot = e.slot AND ev.ms = e.ms AND ev.seq = e.seq;
    UPDATE @schema@.topic_events AS t SET topic = @schema@.topic_key(@schema@.erased_topic(n.topic))
    FROM unnest(_events) WITH ORDINALITY AS e, unnest(string_to_array(_topics[e.ordinality], E'\n')) AS n(topic)
    WHERE t.topic = @schema@.topic_key(n.topic) AND t.slot = e.slot AND t.ms = e.ms AND t.seq = e.seq;
    WITH gone AS (
        DELETE FROM @schema@.keys AS k USING unnest(_events) WITH ORDINALITY AS e
        WHERE k.key = _keys[e.ordinality] AND k.ms = e.ms AND k.seq = e.seq RETURNING k.key, k.ms, k.seq
    )
    INSERT INTO @schema@.keys (key, ms, seq, is_first)
    SELECT @schema@.used_key(g.key), g.ms, g.seq, false FROM gone AS g ON CONFLICT DO NOTHING;
END
$$;

-- Appends the event that tells nodes of an erasure up to some id, and returns its own.
CREATE OR REPLACE FUNCTION @schema@.append_erasure(
    _epoch bigint, _server text, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _tag bigint,
    _topic text, _is_alone boolean, _last_ms bigint, _last_seq bigint, OUT ms bigint, OUT seq bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    topic CONSTANT text := '$erased';
    data CONSTANT text := format('%s %s-%s %s', CASE WHEN _is_alone THEN 'alone' ELSE 'every' END,
        _last_ms, _last_seq, _topic);
BEGIN
    SELECT a.ms, a.first_seq INTO ms, seq FROM @schema@.append(
        _epoch, _server, _max_events, _max_bytes, _max_age_ms, _tag,
        ARRAY[@schema@.pack(ARRAY[topic], data, NULL, false, NULL)], ARRAY[topic],
        ARRAY[256 + 2 * (octet_length(topic) + octet_length(data))]::bigint[], ARRAY[NULL]::text[],
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    ) AS a;
END
$$;

-- Erases events of a topic, the oldest first, after a position and up to one (NULL: all), at most so many and about so
-- many bytes by their cost; and in the same step appends the event that tells of it. _is_alone: only those that have no
-- other topic. So many entries of the index are looked at.
-- status is as that of append(); count is how many were erased, and (ms, seq) the id of the event, NULL where none was.
-- more: there may be others to erase, where none was after (looked_ms, looked_seq).
CREATE OR REPLACE FUNCTION @schema@.erase(
    _epoch bigint, _server text, _max_events bigint, _max_bytes bigint, _max_age_ms bigint, _tag bigint,
    _topic text, _is_alone boolean, _after_ms bigint, _after_seq bigint, _last_ms bigint, _last_seq bigint,
    _most_events integer, _most_bytes bigint, _most_looked integer,
    OUT status text, OUT current_epoch bigint, OUT ms bigint, OUT seq bigint,
    OUT count integer, OUT more boolean, OUT looked_ms bigint, OUT looked_seq bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h @schema@.head;
    e @schema@.events;
    kept record;
    left_cost integer;
    looked integer := 0;
    size bigint := 0;
    erased @schema@.events[] := '{}';
    topics text[] := '{}';
    keys text[] := '{}';
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
    count := 0;
    more := false;
    looked_ms := h.floor_ms;
    looked_seq := h.floor_seq;
    IF (_after_ms, _after_seq) > (h.floor_ms, h.floor_seq) THEN
        looked_ms := _after_ms;
        looked_seq := _after_seq;
    END IF;
    FOR e IN
        SELECT ev.*
        FROM @schema@.ids_of_topics(ARRAY[_topic], looked_ms, looked_seq, coalesce(_last_ms, h.ms),
            coalesce(_last_seq, h.seq), _most_looked) AS i
        CROSS JOIN LATERAL (SELECT * FROM @schema@.events AS x WHERE x.ms = i.ms AND x.seq = i.seq LIMIT 1) AS ev
    LOOP
        more := count = _most_events OR size >= _most_bytes;
        EXIT WHEN more;
        looked := looked + 1;
        looked_ms := e.ms;
        looked_seq := e.seq;
        SELECT * INTO kept FROM @schema@.erased(e.packed);
        CONTINUE WHEN _topic <> ALL (kept.topics) OR (_is_alone AND cardinality(kept.topics) > 1);
        left_cost := 64 + 2 * octet_length(array_to_string(kept.topics, ''));
        count := count + 1;
        size := size + e.cost;
        h.erased_bytes := h.erased_bytes + e.cost - left_cost;
        e.packed := kept.packed;
        e.cost := left_cost;
        erased := erased || e;
        topics := topics || array_to_string(kept.topics, E'\n');
        keys := keys || kept.key;
    END LOOP;
    more := more OR looked = _most_looked;
    IF count = 0 THEN
        RETURN;
    END IF;
    PERFORM @schema@.keep_erased(erased, topics, keys);
    -- Who reads at this time may have found no event of a topic any more, and does not know yet that some were erased.
    IF h.erased_events = 0 THEN
        UPDATE @schema@.slots SET emptied = emptied + 1 WHERE slot = h.slot;
    END IF;
    UPDATE @schema@.head SET erased_events = h.erased_events + count, erased_bytes = h.erased_bytes,
        keys_erased = h.keys_erased OR cardinality(array_remove(keys, NULL)) > 0;
    SELECT a.ms, a.seq INTO ms, seq FROM @schema@.append_erasure(_epoch, _server, _max_events, _max_bytes, _max_age_ms,
        _tag, _topic, _is_alone, erased[count].ms, erased[count].seq) AS a;
END
$$;
