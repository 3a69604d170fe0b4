-- The subscriptions of a hub on all nodes, behind live.sql.

-- Whether changes can be queued. The bound is MAX_WAITING_ANNOUNCEMENTS of the crate sse-broadcaster-presence.
CREATE OR REPLACE FUNCTION @schema@.subscriptions_have_room() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    max_waiting CONSTANT bigint := 10000;
BEGIN
    RETURN @schema@.live_waiting('subscriptions') < max_waiting;
END
$$;

-- Makes the changes of one batch, unless they were made already. Each has the node's name of a subscription; where the
-- matcher is NULL, the subscription ends. Returns 'unknown' where the node is not known, 'full' where too many changes
-- wait to be published, and else 'written'.
CREATE OR REPLACE FUNCTION @schema@.subscriptions_write(
    _node text, _batch bigint, _names bigint[], _matchers bytea[], _subscribers bytea[], _payloads text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    last_batch bigint := @schema@.live_batch('subscriptions', _node);
    queued bigint := (SELECT l.last_change FROM @schema@.live_lists AS l WHERE l.list = 'subscriptions');
    secret CONSTANT text := gen_random_uuid();
    given record;
    ended record;
BEGIN
    IF last_batch IS NULL THEN
        RETURN 'unknown';
    ELSIF _batch <= last_batch THEN
        RETURN 'written';
    ELSIF NOT @schema@.subscriptions_have_room() THEN
        RETURN 'full';
    END IF;
    FOR given IN
        SELECT g.* FROM unnest(_names, _matchers, _subscribers, _payloads) AS g(name, matcher, subscriber, payload)
    LOOP
        IF given.matcher IS NULL THEN
            DELETE FROM @schema@.hub_subscriptions AS s WHERE s.node = _node AND s.name = given.name
            RETURNING s.matcher, s.subscriber, s.payload INTO ended;
            CONTINUE WHEN NOT FOUND;
            queued := queued + 1;
            INSERT INTO @schema@.live_changes AS c (list, number, key, kind, name, member, data)
            VALUES ('subscriptions', queued, md5(secret || queued), 'end', ended.matcher, ended.subscriber, ended.payload);
            CONTINUE;
        END IF;
        CONTINUE WHEN EXISTS (SELECT FROM @schema@.hub_subscriptions AS s WHERE s.node = _node AND s.name = given.name);
        DELETE FROM @schema@.hub_subscriptions AS s
        WHERE sha256(s.matcher) = sha256(given.matcher) AND sha256(s.subscriber) = sha256(given.subscriber);
        -- Otherwise it is listed and announced already: a node that was taken for dead writes what it has under another
        -- name.
        IF NOT FOUND THEN
            queued := queued + 1;
            INSERT INTO @schema@.live_changes AS c (list, number, key, kind, name, member, data)
            VALUES ('subscriptions', queued, md5(secret || queued), 'begin', given.matcher, given.subscriber, given.payload);
        END IF;
        INSERT INTO @schema@.hub_subscriptions AS s (node, name, matcher, subscriber, payload)
        VALUES (_node, given.name, given.matcher, given.subscriber, given.payload);
    END LOOP;
    UPDATE @schema@.live_lists AS l SET last_change = queued WHERE l.list = 'subscriptions';
    UPDATE @schema@.live_nodes AS n SET last_batch = _batch WHERE n.list = 'subscriptions' AND n.node = _node;
    RETURN 'written';
END
$$;

-- Reports that a node lives, which has written so many subscriptions (NULL: it does not know) and this batch, and ends
-- some of one that does not, unless too many changes wait to be published. is_whole: the state has what the node has
-- written. has_more: there may be more to end.
CREATE OR REPLACE FUNCTION @schema@.subscriptions_beat(
    _node text, _heartbeat_ms bigint, _written bigint, _batch bigint, _most bigint,
    OUT is_whole boolean, OUT has_more boolean
) LANGUAGE plpgsql AS $$
DECLARE
    dead_node text;
    secret CONSTANT text := gen_random_uuid();
BEGIN
    SELECT b.is_known, b.dead INTO is_whole, dead_node
    FROM @schema@.live_beat('subscriptions', _node, _heartbeat_ms, _batch) AS b;
    IF _written <> (SELECT count(*) FROM @schema@.hub_subscriptions AS s WHERE s.node = _node) THEN
        is_whole := false;
    END IF;
    has_more := dead_node IS NOT NULL AND @schema@.subscriptions_have_room();
    IF NOT has_more THEN
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM @schema@.hub_subscriptions AS s WHERE s.ctid = ANY (ARRAY(
            SELECT x.ctid FROM @schema@.hub_subscriptions AS x WHERE x.node = dead_node ORDER BY x.name LIMIT _most))
        RETURNING s.name, s.matcher, s.subscriber, s.payload
    ), queued AS (
        INSERT INTO @schema@.live_changes AS c (list, number, key, kind, name, member, data)
        SELECT 'subscriptions', l.last_change + row_number() OVER (ORDER BY g.name), md5(secret || g.name), 'end',
            g.matcher, g.subscriber, g.payload
        FROM gone AS g, @schema@.live_lists AS l WHERE l.list = 'subscriptions'
        RETURNING c.number
    )
    UPDATE @schema@.live_lists AS l SET last_change = greatest(l.last_change, (SELECT max(q.number) FROM queued AS q))
    WHERE l.list = 'subscriptions';
    IF NOT EXISTS (SELECT FROM @schema@.hub_subscriptions AS s WHERE s.node = dead_node) THEN
        DELETE FROM @schema@.live_nodes AS n WHERE n.list = 'subscriptions' AND n.node = dead_node;
    END IF;
END
$$;

-- The oldest subscriptions, up to about so many bytes: those of one matcher, or, where it is NULL, all; of one
-- subscriber, or, where it is NULL, all.
CREATE OR REPLACE FUNCTION @schema@.subscriptions_read(
    _matcher bytea, _subscriber bytea, _most bigint, _most_bytes bigint
) RETURNS TABLE (matcher bytea, subscriber bytea, payload text) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT f.matcher, f.subscriber, f.payload FROM (
        SELECT u.*, sum(octet_length(u.matcher) + octet_length(u.subscriber) + coalesce(octet_length(u.payload), 0))
            OVER (ORDER BY u.number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
        FROM (
            (SELECT s.* FROM @schema@.hub_subscriptions AS s
            WHERE _matcher IS NULL ORDER BY s.number LIMIT _most)
            UNION ALL
            (SELECT s.* FROM @schema@.hub_subscriptions AS s
            WHERE sha256(s.matcher) = sha256(_matcher) AND _subscriber IS NULL ORDER BY s.number LIMIT _most)
            UNION ALL
            (SELECT s.* FROM @schema@.hub_subscriptions AS s
            WHERE sha256(s.matcher) = sha256(_matcher) AND sha256(s.subscriber) = sha256(_subscriber))
        ) AS u
    ) AS f WHERE coalesce(f.bytes_before, 0) < _most_bytes ORDER BY f.number;
END
$$;
