-- What presence and the subscriptions of a hub have in common: which nodes live, and the queue of changes that are to be
-- published. Functions that change a list begin with the lock of its row.

-- Reports that a node lives. is_known: it was known, and the state has its batches up to this one. dead: a node that
-- has not reported for two and a half heartbeats.
CREATE OR REPLACE FUNCTION @schema@.live_beat(
    _list text, _node text, _heartbeat_ms bigint, _batch bigint, OUT is_known boolean, OUT dead text
) LANGUAGE plpgsql AS $$
DECLARE
    l @schema@.live_lists;
    now_ms bigint;
BEGIN
    SELECT * INTO l FROM @schema@.live_lists AS x WHERE x.list = _list FOR NO KEY UPDATE;
    now_ms := @schema@.now_ms();
    is_known := EXISTS (SELECT FROM @schema@.live_nodes AS n
        WHERE n.list = _list AND n.node = _node AND n.last_batch >= _batch);
    -- If nobody reported for so long, PostgreSQL was unreachable, or its clock jumped: each node gets its time anew.
    IF abs(now_ms - l.reported_ms) > _heartbeat_ms THEN
        UPDATE @schema@.live_nodes AS n SET reported_ms = now_ms WHERE n.list = _list;
    END IF;
    UPDATE @schema@.live_lists AS x SET reported_ms = now_ms WHERE x.list = _list;
    INSERT INTO @schema@.live_nodes AS n (list, node, reported_ms) VALUES (_list, _node, now_ms)
    ON CONFLICT (list, node) DO UPDATE SET reported_ms = excluded.reported_ms;
    SELECT n.node INTO dead FROM @schema@.live_nodes AS n
    WHERE n.list = _list AND n.reported_ms < now_ms - _heartbeat_ms * 2.5 ORDER BY n.reported_ms LIMIT 1;
END
$$;

-- The number of the last batch that a node has written; NULL where the node is not known. Takes the lock of the list.
CREATE OR REPLACE FUNCTION @schema@.live_batch(_list text, _node text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM @schema@.live_lists AS l WHERE l.list = _list FOR NO KEY UPDATE;
    RETURN (SELECT n.last_batch FROM @schema@.live_nodes AS n WHERE n.list = _list AND n.node = _node);
END
$$;

-- How many changes wait to be published.
CREATE OR REPLACE FUNCTION @schema@.live_waiting(_list text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(l.last_change + 1 - (SELECT c.number FROM @schema@.live_changes AS c
        WHERE c.list = _list ORDER BY c.number LIMIT 1), 0)
    FROM @schema@.live_lists AS l WHERE l.list = _list
$$;

-- The oldest changes that are to be published, for one node at a time.
CREATE OR REPLACE FUNCTION @schema@.live_pending(_list text, _node text, _most bigint, _within_ms bigint)
RETURNS TABLE (key text, kind text, name bytea, member bytea, data text, users bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    l @schema@.live_lists;
    now_ms bigint;
BEGIN
    SELECT * INTO l FROM @schema@.live_lists AS x WHERE x.list = _list;
    IF l.publisher IS NULL AND @schema@.live_waiting(_list) = 0 THEN
        RETURN;
    END IF;
    SELECT * INTO l FROM @schema@.live_lists AS x WHERE x.list = _list FOR NO KEY UPDATE;
    now_ms := @schema@.now_ms();
    -- A time that is too far ahead is of a clock that went back since.
    IF l.publisher <> _node AND l.publishes_until_ms BETWEEN now_ms + 1 AND now_ms + _within_ms THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT c.key, c.kind, c.name, c.member, c.data, c.users FROM @schema@.live_changes AS c
        WHERE c.list = _list ORDER BY c.number LIMIT _most;
    UPDATE @schema@.live_lists AS x
    SET publisher = CASE WHEN FOUND THEN _node END, publishes_until_ms = now_ms + _within_ms WHERE x.list = _list;
END
$$;

-- Removes the oldest changes, which were published, unless another node has done so.
CREATE OR REPLACE FUNCTION @schema@.live_published(_list text, _first text, _count bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    oldest record;
BEGIN
    PERFORM FROM @schema@.live_lists AS l WHERE l.list = _list FOR NO KEY UPDATE;
    SELECT c.number, c.key INTO oldest FROM @schema@.live_changes AS c
    WHERE c.list = _list ORDER BY c.number LIMIT 1;
    IF oldest.key = _first THEN
        DELETE FROM @schema@.live_changes AS c WHERE c.list = _list AND c.number < oldest.number + _count;
    END IF;
END
$$;
