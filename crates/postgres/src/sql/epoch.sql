-- Epochs, the servers that a log goes on at, and what nodes keep beside it.

-- Begins another epoch in place of _ended, unless another node has: its birth is above every id given before. Returns
-- the epoch that there is then.
CREATE OR REPLACE FUNCTION @schema@.begin_epoch(
    _ended bigint, _epoch bigint, _above_ms bigint, _lossy boolean, _server text, _first_seq bigint, _seen text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    max_seen CONSTANT integer := 16;
    h @schema@.head;
    new_ms bigint;
    seen_before text;
BEGIN
    SELECT * INTO h FROM @schema@.head FOR UPDATE;
    IF NOT FOUND THEN
        new_ms := greatest(@schema@.now_ms(), _above_ms) + 1;
        INSERT INTO @schema@.head VALUES (
            true, _epoch, new_ms, _first_seq, _lossy, _server, _first_seq, new_ms, _first_seq, _seen,
            new_ms, _first_seq, 0, 0, @schema@.now_ms(), new_ms, _first_seq, 0, 0, new_ms, NULL, NULL,
            NULL, NULL, NULL, (SELECT s.slot FROM @schema@.slots AS s WHERE NOT s.is_empty ORDER BY s.slot LIMIT 1),
            0, 0, new_ms, 0, 0, _lossy
        ) ON CONFLICT DO NOTHING;
        -- Another node may have been faster.
        SELECT * INTO h FROM @schema@.head FOR UPDATE;
        RETURN h.epoch;
    END IF;
    IF h.epoch IS DISTINCT FROM _ended THEN
        RETURN h.epoch;
    END IF;
    new_ms := greatest(h.ms, @schema@.now_ms(), _above_ms) + 1;
    -- Per server the newest id that somebody saw there, the latest first.
    SELECT string_agg(s.entry, ' ' ORDER BY s.i) INTO seen_before
    FROM unnest(string_to_array(h.seen, ' ')) WITH ORDINALITY AS s(entry, i)
    WHERE split_part(s.entry, '=', 1) <> split_part(_seen, '=', 1) AND s.i < max_seen;
    UPDATE @schema@.head SET
        epoch = _epoch, birth_ms = new_ms, birth_seq = _first_seq, is_lossy = _lossy, server = _server,
        first_seq = _first_seq, term_ms = new_ms, term_seq = _first_seq,
        seen = concat_ws(' ', nullif(_seen, ''), nullif(seen_before, '')),
        ms = new_ms, seq = _first_seq,
        floor_ms = CASE WHEN h.oldest_ms IS NULL THEN new_ms ELSE h.floor_ms END,
        floor_seq = CASE WHEN h.oldest_ms IS NULL THEN _first_seq ELSE h.floor_seq END,
        floor_time_ms = CASE WHEN h.oldest_ms IS NULL THEN new_ms ELSE h.floor_time_ms END,
        -- Keys of what is lost may stand for other events now.
        keys_forgotten = h.keys_forgotten OR _lossy;
    RETURN _epoch;
END
$$;

-- Has this server go on with the epoch that it holds, after it was promoted or restarted: its ids differ from those
-- that another server may go on giving in the same epoch. False where the log has changed meanwhile.
CREATE OR REPLACE FUNCTION @schema@.adopt(_epoch bigint, _known text, _server text, _first_seq bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE @schema@.head AS h
    SET server = _server, first_seq = _first_seq, term_ms = h.ms, term_seq = h.seq
    WHERE h.epoch = _epoch AND h.server = _known;
    RETURN FOUND;
END
$$;

-- The key that all nodes share: the one that is kept, or the new one.
CREATE OR REPLACE FUNCTION @schema@.keep_position_key(_new bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    kept bytea;
BEGIN
    SELECT s.position_key INTO kept FROM @schema@.settings AS s;
    IF kept IS NULL THEN
        UPDATE @schema@.settings SET position_key = coalesce(position_key, _new) RETURNING position_key INTO kept;
    END IF;
    RETURN kept;
END
$$;

-- Writes the figures of a node, and returns those of the nodes that have reported lately, the last first.
CREATE OR REPLACE FUNCTION @schema@.report_node(_node text, _figures text, _keep_ms bigint, _most integer)
RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO @schema@.nodes AS n (node, figures, reported) VALUES (_node, _figures, clock_timestamp())
    ON CONFLICT (node) DO UPDATE SET figures = excluded.figures, reported = excluded.reported;
    DELETE FROM @schema@.nodes WHERE node IN (
        SELECT n.node FROM @schema@.nodes AS n WHERE n.reported < clock_timestamp() - _keep_ms * interval '1 ms'
        FOR UPDATE SKIP LOCKED
    );
    RETURN QUERY SELECT n.figures FROM @schema@.nodes AS n ORDER BY n.reported DESC LIMIT _most;
END
$$;
