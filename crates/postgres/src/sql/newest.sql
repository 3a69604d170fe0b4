-- The newest events.

-- The ids of events of some topics before a position, the newest first.
CREATE OR REPLACE FUNCTION @schema@.ids_of_topics_before(
    _topics text[], _ms bigint, _seq bigint, _floor_ms bigint, _floor_seq bigint, _most integer
) RETURNS TABLE (ms bigint, seq bigint) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT i.ms, i.seq FROM unnest(_topics) AS t(topic) CROSS JOIN LATERAL (
        SELECT e.ms, e.seq FROM @schema@.topic_events AS e
        WHERE e.topic = @schema@.topic_key(t.topic) AND (e.ms, e.seq) < (_ms, _seq)
            AND (e.ms, e.seq) > (_floor_ms, _floor_seq)
        ORDER BY e.ms DESC, e.seq DESC LIMIT _most
    ) AS i
    ORDER BY i.ms DESC, i.seq DESC LIMIT _most
$$;

-- The newest events before a position, the newest first, of all topics (NULL), also what is left of those that were
-- erased, or of some topics. is_all: the log has no others.
CREATE OR REPLACE FUNCTION @schema@.newest(
    _epoch bigint, _ms bigint, _seq bigint, _topics text[], _most_events integer, _most_bytes bigint,
    OUT is_current boolean, OUT is_all boolean,
    OUT ms bigint[], OUT seq bigint[], OUT time_ms bigint[], OUT tags bigint[], OUT numbers bigint[], OUT packed bytea[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    h @schema@.head;
    before bigint;
    entries refcursor;
    e record;
    size bigint;
    count integer;
BEGIN
    LOOP
        ms := '{}';
        seq := '{}';
        time_ms := '{}';
        tags := '{}';
        numbers := '{}';
        packed := '{}';
        size := 0;
        count := 0;
        is_all := true;
        before := @schema@.emptied();
        SELECT * INTO h FROM @schema@.head;
        is_current := coalesce(h.epoch = _epoch, false);
        IF NOT is_current THEN
            RETURN;
        END IF;
        IF _topics IS NULL THEN
            OPEN entries FOR
                SELECT ev.* FROM @schema@.events AS ev
                WHERE (ev.ms, ev.seq) < (_ms, _seq) AND (ev.ms, ev.seq) > (h.floor_ms, h.floor_seq)
                    AND (ev.ms, ev.seq) <= (h.ms, h.seq)
                ORDER BY ev.ms DESC, ev.seq DESC LIMIT _most_events;
        ELSE
            OPEN entries FOR
                SELECT ev.*
                FROM @schema@.ids_of_topics_before(_topics, _ms, _seq, h.floor_ms, h.floor_seq, _most_events) AS i
                CROSS JOIN LATERAL (SELECT * FROM @schema@.events AS x WHERE x.ms = i.ms AND x.seq = i.seq LIMIT 1) AS ev
                WHERE (ev.ms, ev.seq) <= (h.ms, h.seq);
        END IF;
        LOOP
            FETCH entries INTO e;
            EXIT WHEN NOT FOUND;
            ms := ms || e.ms;
            seq := seq || e.seq;
            time_ms := time_ms || e.time_ms;
            tags := tags || e.tag;
            numbers := numbers || e.number;
            packed := packed || e.packed;
            size := size + length(e.packed);
            count := count + 1;
            IF count = _most_events OR size >= _most_bytes THEN
                is_all := false;
                EXIT;
            END IF;
        END LOOP;
        CLOSE entries;
        EXIT WHEN before = @schema@.emptied();
    END LOOP;
END
$$;
