-- What reads. Each statement of a function sees what was committed before it, and so no more than the head that was
-- read before.

-- Increases where a read that goes on meanwhile has to be repeated: a statement may see that a partition was emptied
-- although it began before. Not LANGUAGE sql, which parses and plans it at each call.
CREATE OR REPLACE FUNCTION @schema@.emptied() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT sum(s.emptied) FROM @schema@.slots AS s);
END
$$;

-- The state of the log, and its events after a position, up to some number and bytes. epoch is NULL where there is no
-- log. here_tag is the tag of the event at the position, if it is held.
CREATE OR REPLACE FUNCTION @schema@.poll(
    _ms bigint, _seq bigint, _most_events integer, _most_bytes bigint,
    OUT state @schema@.head, OUT here_tag bigint, OUT last_number bigint,
    OUT ms bigint[], OUT seq bigint[], OUT time_ms bigint[], OUT tags bigint[], OUT packed bytea[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    before bigint;
    e record;
    size bigint;
BEGIN
    LOOP
        ms := '{}';
        seq := '{}';
        time_ms := '{}';
        tags := '{}';
        packed := '{}';
        size := 0;
        before := @schema@.emptied();
        SELECT * INTO state FROM @schema@.head;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        SELECT ev.tag INTO here_tag FROM @schema@.events AS ev
        WHERE ev.ms = _ms AND ev.seq = _seq AND (ev.ms, ev.seq) > (state.floor_ms, state.floor_seq) LIMIT 1;
        FOR e IN
            SELECT ev.ms, ev.seq, ev.time_ms, ev.tag, ev.number, ev.packed FROM @schema@.events AS ev
            WHERE (ev.ms, ev.seq) > (_ms, _seq) AND (ev.ms, ev.seq) > (state.floor_ms, state.floor_seq)
                AND (ev.ms, ev.seq) <= (state.ms, state.seq)
            ORDER BY ev.ms, ev.seq LIMIT _most_events
        LOOP
            ms := ms || e.ms;
            seq := seq || e.seq;
            time_ms := time_ms || e.time_ms;
            tags := tags || e.tag;
            packed := packed || e.packed;
            last_number := e.number;
            size := size + length(e.packed);
            EXIT WHEN size >= _most_bytes;
        END LOOP;
        EXIT WHEN before = @schema@.emptied();
    END LOOP;
END
$$;

-- Whether a position is one that this log has given and still knows.
CREATE OR REPLACE FUNCTION @schema@.is_known(h @schema@.head, _ms bigint, _seq bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
    -- The birth of an epoch is one only until events after it are dropped.
    SELECT (_ms, _seq) >= (h.birth_ms, h.birth_seq) AND (_ms, _seq) >= (h.floor_ms, h.floor_seq) AND (
        (_ms, _seq) = (h.birth_ms, h.birth_seq) OR (_ms, _seq) = (h.floor_ms, h.floor_seq)
        OR EXISTS (SELECT FROM @schema@.events AS e
            WHERE e.ms = _ms AND e.seq = _seq AND (e.ms, e.seq) > (h.floor_ms, h.floor_seq)))
$$;

-- The last id before this one.
CREATE OR REPLACE FUNCTION @schema@.id_before(
    h @schema@.head, _ms bigint, _seq bigint, OUT ms bigint, OUT seq bigint
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    SELECT e.ms, e.seq INTO ms, seq FROM @schema@.events AS e
    WHERE (e.ms, e.seq) < (_ms, _seq) AND (e.ms, e.seq) > (h.floor_ms, h.floor_seq)
    ORDER BY e.ms DESC, e.seq DESC LIMIT 1;
    IF NOT FOUND THEN
        ms := h.floor_ms;
        seq := h.floor_seq;
    END IF;
END
$$;

-- Where a read begins, and whether something before is lost. _kind: 'after' a position; 'last_event_id', a position or
-- an idempotency key in _text, or nothing that can be either; 'since' or 'ago', milliseconds in _ms; 'before' an event;
-- 'earliest'.
CREATE OR REPLACE FUNCTION @schema@.read_begin(
    h @schema@.head, _kind text, _ms bigint, _seq bigint, _text text, OUT ms bigint, OUT seq bigint, OUT gap boolean
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    since bigint;
    first record;
BEGIN
    gap := false;
    ms := h.floor_ms;
    seq := h.floor_seq;
    IF _kind = 'after' THEN
        gap := (_ms, _seq) < (ms, seq);
        IF NOT gap THEN
            ms := _ms;
            seq := _seq;
        END IF;
    ELSIF _kind = 'last_event_id' THEN
        IF _text IS NOT NULL THEN
            SELECT k.ms, k.seq INTO _ms, _seq FROM @schema@.keys AS k
            WHERE k.key = _text AND k.is_first AND (k.ms, k.seq) > (h.floor_ms, h.floor_seq);
        END IF;
        IF coalesce(@schema@.is_known(h, _ms, _seq), false) THEN
            ms := _ms;
            seq := _seq;
            RETURN;
        END IF;
        gap := true;
        IF (ms, seq) < (h.birth_ms, h.birth_seq) THEN
            ms := h.birth_ms;
            seq := h.birth_seq;
        END IF;
        -- An id of a server in whose place this one was promoted, or of what it has lost: before it came all that this
        -- server had when it went on.
        IF _text IS NULL AND (ms, seq) < (h.term_ms, h.term_seq) AND (h.term_ms, h.term_seq) < (_ms, _seq) THEN
            ms := h.term_ms;
            seq := h.term_seq;
        END IF;
    ELSIF _kind IN ('since', 'ago') THEN
        since := CASE WHEN _kind = 'ago' THEN greatest(@schema@.now_ms() - _ms, 0) ELSE _ms END;
        gap := ((h.floor_ms, h.floor_seq) <> (h.birth_ms, h.birth_seq) AND h.floor_ms > 0 AND h.floor_time_ms >= since)
            OR (h.is_lossy AND h.birth_ms >= since);
        -- No event has a later time than its id, and none a later time than those after it.
        SELECT e.ms, e.seq INTO first FROM @schema@.events AS e
        WHERE (e.ms, e.seq) >= (since, 0) AND (e.ms, e.seq) > (h.floor_ms, h.floor_seq)
            AND (e.ms, e.seq) <= (h.ms, h.seq) AND @schema@.time_of(h, e.ms, e.seq, e.time_ms) >= since
        ORDER BY e.ms, e.seq LIMIT 1;
        IF FOUND THEN
            SELECT b.ms, b.seq INTO ms, seq FROM @schema@.id_before(h, first.ms, first.seq) AS b;
        ELSE
            ms := h.ms;
            seq := h.seq;
        END IF;
    ELSIF _kind = 'before' THEN
        SELECT b.ms, b.seq INTO ms, seq FROM @schema@.id_before(h, _ms, _seq) AS b;
    END IF;
END
$$;

-- The ids of some topics' events after a position, up to one, in order.
CREATE OR REPLACE FUNCTION @schema@.ids_of_topics(
    _topics text[], _ms bigint, _seq bigint, _last_ms bigint, _last_seq bigint, _most integer
) RETURNS TABLE (ms bigint, seq bigint) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT i.ms, i.seq FROM unnest(_topics) AS t(topic) CROSS JOIN LATERAL (
        SELECT e.ms, e.seq FROM @schema@.topic_events AS e
        WHERE e.topic = @schema@.topic_key(t.topic) AND (e.ms, e.seq) > (_ms, _seq)
            AND (e.ms, e.seq) <= (_last_ms, _last_seq)
        ORDER BY e.ms, e.seq LIMIT _most
    ) AS i
    ORDER BY i.ms, i.seq LIMIT _most
$$;

-- What the log holds after a position, of all topics (NULL) or of some, up to the last id that the node knows.
-- is_current is false, and nothing else is there, where the log is of another epoch. All events up to
-- (read_ms, read_seq) are among those that are returned, also what is left of those that were erased.
CREATE OR REPLACE FUNCTION @schema@.read(
    _epoch bigint, _kind text, _ms bigint, _seq bigint, _text text, _last_ms bigint, _last_seq bigint, _topics text[],
    _most_events integer, _most_bytes bigint,
    OUT is_current boolean, OUT after_ms bigint, OUT after_seq bigint, OUT gap boolean,
    OUT oldest_ms bigint, OUT oldest_seq bigint, OUT read_ms bigint, OUT read_seq bigint,
    OUT ms bigint[], OUT seq bigint[], OUT time_ms bigint[], OUT packed bytea[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h @schema@.head;
    before bigint;
    named text[] := _topics;
    entries refcursor;
    e record;
    size bigint;
    count integer;
BEGIN
    LOOP
        ms := '{}';
        seq := '{}';
        time_ms := '{}';
        packed := '{}';
        size := 0;
        count := 0;
        before := @schema@.emptied();
        SELECT * INTO h FROM @schema@.head;
        is_current := coalesce(h.epoch = _epoch, false);
        IF NOT is_current THEN
            RETURN;
        END IF;
        SELECT b.ms, b.seq, b.gap INTO after_ms, after_seq, gap
        FROM @schema@.read_begin(h, _kind, _ms, _seq, _text) AS b;
        oldest_ms := h.oldest_ms;
        oldest_seq := h.oldest_seq;
        read_ms := _last_ms;
        read_seq := _last_seq;
        IF (after_ms, after_seq) >= (_last_ms, _last_seq) THEN
            read_ms := after_ms;
            read_seq := after_seq;
            RETURN;
        END IF;
        IF _topics IS NULL THEN
            OPEN entries FOR
                SELECT ev.ms, ev.seq, ev.time_ms, ev.packed FROM @schema@.events AS ev
                WHERE (ev.ms, ev.seq) > (after_ms, after_seq) AND (ev.ms, ev.seq) <= (_last_ms, _last_seq)
                ORDER BY ev.ms, ev.seq LIMIT _most_events;
        ELSE
            IF h.erased_events > 0 THEN
                named := _topics || ARRAY(SELECT @schema@.erased_topic(t.topic) FROM unnest(_topics) AS t(topic));
            END IF;
            OPEN entries FOR
                SELECT ev.ms, ev.seq, ev.time_ms, ev.packed
                FROM @schema@.ids_of_topics(named, after_ms, after_seq, _last_ms, _last_seq, _most_events) AS i
                CROSS JOIN LATERAL (SELECT * FROM @schema@.events AS x WHERE x.ms = i.ms AND x.seq = i.seq LIMIT 1) AS ev;
        END IF;
        LOOP
            FETCH entries INTO e;
            EXIT WHEN NOT FOUND;
            ms := ms || e.ms;
            seq := seq || e.seq;
            time_ms := time_ms || e.time_ms;
            packed := packed || e.packed;
            size := size + length(e.packed);
            count := count + 1;
            IF count = _most_events OR size >= _most_bytes THEN
                read_ms := e.ms;
                read_seq := e.seq;
                EXIT;
            END IF;
        END LOOP;
        CLOSE entries;
        EXIT WHEN before = @schema@.emptied();
    END LOOP;
END
$$;

-- Topics of the events that are held, but for internal ones, with the id of the newest event of each.
CREATE OR REPLACE FUNCTION @schema@.topic_names(_prefix text, _after text, _most integer)
RETURNS TABLE (name text, ms bigint, seq bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    h @schema@.head;
    count integer := 0;
BEGIN
    SELECT * INTO h FROM @schema@.head;
    FOR name IN
        SELECT t.topic FROM @schema@.topics AS t
        WHERE t.topic > _after AND starts_with(t.topic, _prefix) AND left(t.topic, 1) <> '$' ORDER BY t.topic
    LOOP
        EXIT WHEN count >= _most;
        SELECT e.ms, e.seq INTO ms, seq FROM @schema@.topic_events AS e
        WHERE e.topic = @schema@.topic_key(name) AND (e.ms, e.seq) > (h.floor_ms, h.floor_seq)
        ORDER BY e.ms DESC, e.seq DESC LIMIT 1;
        IF FOUND THEN
            count := count + 1;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Keys of retained values, with the id that each was written at.
CREATE OR REPLACE FUNCTION @schema@.retained_keys(_prefix bytea, _after bytea, _most integer)
RETURNS TABLE (name bytea, ms bigint, seq bigint) LANGUAGE sql STABLE AS $$
    SELECT r.key, r.ms, r.seq FROM @schema@.retained AS r
    WHERE r.key > _after AND substring(r.key FROM 1 FOR length(_prefix)) = _prefix ORDER BY r.key LIMIT _most
$$;

-- Some retained values as of one head, in the order of the keys.
CREATE OR REPLACE FUNCTION @schema@.retained_values(_keys bytea[])
RETURNS TABLE (epoch bigint, head_ms bigint, head_seq bigint, value bytea, ms bigint, seq bigint)
LANGUAGE sql STABLE AS $$
    SELECT h.epoch, h.ms, h.seq, r.value, r.ms, r.seq FROM @schema@.head AS h
    LEFT JOIN unnest(_keys) WITH ORDINALITY AS k(key, i) ON true
    LEFT JOIN @schema@.retained AS r ON r.key = k.key
    ORDER BY k.i
$$;
