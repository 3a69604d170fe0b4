-- The members of topics on all nodes, behind live.sql.

-- Sets how many connections a node has for some users of topics (NULL: all connections without one), each as one step,
-- and queues who has joined or left by that, and which topics have their first connection, or have lost their last. The
-- caller has the lock of the list. Rows are found one by one (LIMIT 1) and deleted by their ctid, which the lock keeps:
-- otherwise a plan that was made while the tables were empty may go through all members of the node for each change.
CREATE OR REPLACE FUNCTION @schema@.presence_set(
    _node text, _topics bytea[], _users bytea[], _connections bigint[], _data text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    -- Beyond it the oldest are dropped.
    max_waiting CONSTANT bigint := 100000;
    -- Idempotency keys are hashes of it and of a number: each random one would take as long as the rest of its change.
    secret CONSTANT text := gen_random_uuid();
BEGIN
    WITH given AS MATERIALIZED (
        SELECT g.i, g.topic, g.name, CASE WHEN g.name IS NULL THEN ''::bytea ELSE sha256(g.name) END AS key,
            g.connections, g.data
        FROM unnest(_topics, _users, _connections, _data) WITH ORDINALITY AS g(topic, name, connections, data, i)
    ), on_node AS MATERIALIZED (
        -- What the node had before each step.
        SELECT g.*, m.at AS member_at, coalesce(lag(g.connections) OVER same, m.connections, 0) AS old,
            lead(g.i) OVER same IS NULL AS is_last
        FROM given AS g
        LEFT JOIN LATERAL (SELECT x.ctid AS at, x.connections FROM @schema@.presence_members AS x
            WHERE x.node = _node AND x.topic = g.topic AND x.key = g.key LIMIT 1) AS m ON true
        WINDOW same AS (PARTITION BY g.topic, g.key ORDER BY g.i)
    ), in_all AS MATERIALIZED (
        -- On how many nodes the user is after each step.
        SELECT s.*, u.at AS user_at, CASE WHEN u.at IS NULL THEN s.data ELSE u.data END AS known_data,
            (s.connections > 0)::integer - (s.old > 0)::integer AS more_nodes,
            coalesce(u.nodes, 0) + sum((s.connections > 0)::integer - (s.old > 0)::integer)
                OVER (PARTITION BY s.topic, s.key ORDER BY s.i) AS nodes
        FROM on_node AS s
        LEFT JOIN LATERAL (SELECT x.ctid AS at, x.nodes, x.data FROM @schema@.presence_users AS x
            WHERE x.topic = s.topic AND x.key = s.key LIMIT 1) AS u ON true
    ), named AS MATERIALIZED (
        SELECT s.*, CASE WHEN s.name IS NULL THEN 0 WHEN s.more_nodes > 0 AND s.nodes = 1 THEN 1
            WHEN s.more_nodes < 0 AND s.nodes = 0 THEN -1 ELSE 0 END AS more_users
        FROM in_all AS s
    ), steps AS MATERIALIZED (
        -- What the topic has after each step.
        SELECT s.*, t.at AS topic_at, lead(s.i) OVER of_topic IS NULL AS is_last_of_topic,
            (coalesce(t.connections, 0) + sum(s.connections - s.old) OVER of_topic)::bigint AS total,
            (coalesce(t.users, 0) + sum(s.more_users) OVER of_topic)::bigint AS users
        FROM named AS s
        LEFT JOIN LATERAL (SELECT x.ctid AS at, x.connections, x.users FROM @schema@.presence_topics AS x
            WHERE x.topic = s.topic LIMIT 1) AS t ON true
        WINDOW of_topic AS (PARTITION BY s.topic ORDER BY s.i)
    ), without_member AS (
        DELETE FROM @schema@.presence_members AS m WHERE m.ctid = ANY (ARRAY(
            SELECT s.member_at FROM steps AS s WHERE s.is_last AND s.connections = 0 AND s.member_at IS NOT NULL))
    ), with_member AS (
        INSERT INTO @schema@.presence_members AS m (node, topic, key, connections)
        SELECT _node, s.topic, s.key, s.connections FROM steps AS s WHERE s.is_last AND s.connections > 0
        ON CONFLICT (node, topic, key) DO UPDATE SET connections = excluded.connections
        WHERE m.connections <> excluded.connections
    ), without_user AS (
        DELETE FROM @schema@.presence_users AS u WHERE u.ctid = ANY (ARRAY(
            SELECT s.user_at FROM steps AS s WHERE s.is_last AND s.nodes = 0 AND s.user_at IS NOT NULL))
    ), with_user AS (
        INSERT INTO @schema@.presence_users AS u (topic, key, name, nodes, data)
        SELECT s.topic, s.key, s.name, s.nodes, s.known_data FROM steps AS s
        WHERE s.is_last AND s.name IS NOT NULL AND s.nodes > 0
        ON CONFLICT (topic, key) DO UPDATE SET nodes = excluded.nodes WHERE u.nodes <> excluded.nodes
    ), without_topic AS (
        DELETE FROM @schema@.presence_topics AS t WHERE t.ctid = ANY (ARRAY(
            SELECT s.topic_at FROM steps AS s WHERE s.is_last_of_topic AND s.total = 0 AND s.topic_at IS NOT NULL))
    ), with_topic AS (
        INSERT INTO @schema@.presence_topics AS t (topic, connections, users)
        SELECT s.topic, s.total, s.users FROM steps AS s WHERE s.is_last_of_topic AND s.total > 0
        ON CONFLICT (topic) DO UPDATE SET connections = excluded.connections, users = excluded.users
    ), queued AS (
        INSERT INTO @schema@.live_changes AS c (list, number, key, kind, name, member, data, users)
        SELECT 'presence', l.last_change + row_number() OVER following, md5(secret || row_number() OVER following),
            k.kind, s.topic, CASE WHEN k.nth = 2 THEN s.name END, CASE WHEN k.nth = 2 THEN s.known_data END, s.users
        FROM @schema@.live_lists AS l, steps AS s, LATERAL (VALUES
            (1, 'first', s.total > 0 AND s.total = s.connections - s.old),
            (2, 'join', s.more_users > 0),
            (2, 'leave', s.more_users < 0),
            (3, 'last', s.total = 0 AND s.old > s.connections)
        ) AS k(nth, kind, is_so)
        WHERE l.list = 'presence' AND k.is_so
        WINDOW following AS (ORDER BY s.i, k.nth)
        RETURNING c.number
    )
    UPDATE @schema@.live_lists AS l SET last_change = greatest(l.last_change, (SELECT max(q.number) FROM queued AS q))
    WHERE l.list = 'presence';
    DELETE FROM @schema@.live_changes AS c WHERE c.list = 'presence' AND c.number <=
        (SELECT l.last_change FROM @schema@.live_lists AS l WHERE l.list = 'presence') - max_waiting;
END
$$;

-- Sets how many connections a node has, as presence_set does, unless it has written this batch, or a later one. Returns
-- whether the node is known.
CREATE OR REPLACE FUNCTION @schema@.presence_write(
    _node text, _batch bigint, _topics bytea[], _users bytea[], _connections bigint[], _data text[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    last_batch bigint := @schema@.live_batch('presence', _node);
BEGIN
    IF _batch > last_batch THEN
        PERFORM @schema@.presence_set(_node, _topics, _users, _connections, _data);
        UPDATE @schema@.live_nodes AS n SET last_batch = _batch WHERE n.list = 'presence' AND n.node = _node;
    END IF;
    RETURN last_batch IS NOT NULL;
END
$$;

-- Reports that a node lives, which has written so many members (NULL: it does not know) and this batch, and removes some
-- members of one that does not. is_whole: the state has what the node has written. has_more: there may be more to
-- remove. swept: the topics that lost members.
CREATE OR REPLACE FUNCTION @schema@.presence_beat(
    _node text, _heartbeat_ms bigint, _members bigint, _batch bigint, _most bigint,
    OUT is_whole boolean, OUT has_more boolean, OUT swept bytea[]
) LANGUAGE plpgsql AS $$
DECLARE
    dead_node text;
    gone record;
BEGIN
    SELECT b.is_known, b.dead INTO is_whole, dead_node
    FROM @schema@.live_beat('presence', _node, _heartbeat_ms, _batch) AS b;
    IF _members <> (SELECT count(*) FROM @schema@.presence_members AS m WHERE m.node = _node) THEN
        is_whole := false;
    END IF;
    -- Claims that are over.
    DELETE FROM @schema@.presence_claims AS c WHERE c.ctid = ANY (ARRAY(
        SELECT x.ctid FROM @schema@.presence_claims AS x WHERE x.until_ms < @schema@.now_ms() FOR UPDATE SKIP LOCKED));
    has_more := dead_node IS NOT NULL;
    SELECT array_agg(m.topic) AS topics, array_agg(u.name) AS users, array_agg(0::bigint) AS zeros INTO gone
    FROM (
        SELECT x.topic, x.key FROM @schema@.presence_members AS x
        WHERE x.node = dead_node ORDER BY x.topic, x.key LIMIT _most
    ) AS m
    LEFT JOIN LATERAL (SELECT x.name FROM @schema@.presence_users AS x
        WHERE x.topic = m.topic AND x.key = m.key LIMIT 1) AS u ON true;
    swept := ARRAY(SELECT DISTINCT t.topic FROM unnest(gone.topics) AS t(topic));
    IF gone.topics IS NOT NULL THEN
        PERFORM @schema@.presence_set(dead_node, gone.topics, gone.users, gone.zeros, NULL);
    ELSE
        DELETE FROM @schema@.live_nodes AS n WHERE n.list = 'presence' AND n.node = dead_node;
    END IF;
END
$$;

-- Users of a topic in the order of their bytes, from the one after another.
CREATE OR REPLACE FUNCTION @schema@.presence_page(_topic bytea, _after bytea, _most bigint)
RETURNS TABLE (name bytea, data text) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT u.name, u.data FROM @schema@.presence_users AS u
        WHERE u.topic = _topic AND substr(u.name, 1, 512) >= substr(_after, 1, 512) AND u.name > _after
        ORDER BY substr(u.name, 1, 512), u.name LIMIT _most;
END
$$;

-- Whether a node may write the signal of a topic now. None may for so long from then.
CREATE OR REPLACE FUNCTION @schema@.presence_claim(_topic bytea, _for_ms bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := @schema@.now_ms();
BEGIN
    INSERT INTO @schema@.presence_claims AS c (topic, until_ms) VALUES (_topic, now_ms + _for_ms)
    ON CONFLICT (topic) DO UPDATE SET until_ms = excluded.until_ms
    -- A time that is too far ahead is of a clock that went back since.
    WHERE c.until_ms NOT BETWEEN now_ms + 1 AND now_ms + _for_ms;
    RETURN FOUND;
END
$$;
