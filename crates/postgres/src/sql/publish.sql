-- What applications call, within their own transactions. Events wait in the outbox, and nodes move them into the log.

-- Refuses text that cannot stand on a line of the wire.
CREATE OR REPLACE FUNCTION @schema@.check_name(_what text, _text text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF _text = '' THEN
        RAISE EXCEPTION 'sse_broadcaster: the % is empty', _what USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Give 1 to 256 bytes.';
    ELSIF octet_length(_text) > 256 THEN
        RAISE EXCEPTION 'sse_broadcaster: the % has % bytes', _what, octet_length(_text)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'At most 256 bytes are allowed.';
    ELSIF _text ~ '[\u0001-\u001f\u007f-\u009f]' THEN
        RAISE EXCEPTION 'sse_broadcaster: the % holds a control character: %', _what, quote_literal(_text)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Line ends and the like are not allowed.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION @schema@.check_topic(_topic text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM @schema@.check_name('topic', _topic);
    IF _topic ~ '[*{]' THEN
        RAISE EXCEPTION 'sse_broadcaster: the topic holds * or {: %', quote_literal(_topic)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Name one topic; patterns are for subscribers.';
    ELSIF left(_topic, 1) = '$' THEN
        RAISE EXCEPTION 'sse_broadcaster: the topic begins with $: %', quote_literal(_topic)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Only the server itself publishes to such topics.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION @schema@.check_event(_event text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM @schema@.check_name('event name', _event);
    IF _event IN ('connected', 'expiring', 'finished', 'gap', 'heartbeat', 'position', 'open', 'error') THEN
        RAISE EXCEPTION 'sse_broadcaster: the event name % is reserved', _event
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Choose another name.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION @schema@.check_key(_key text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM @schema@.check_name('idempotency key', _key);
    IF _key ~ '^[0-9]+-[0-9]+$' THEN
        RAISE EXCEPTION 'sse_broadcaster: the idempotency key % looks like a position', _key
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Choose another form than <digits>-<digits>.';
    END IF;
END
$$;

-- A text after its length.
CREATE OR REPLACE FUNCTION @schema@.pack_text(_text text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    -- int2send takes a signed number.
    SELECT substring(int4send(octet_length(_text)) FROM 3) || convert_to(_text, 'UTF8')
$$;

-- A sampled trace of W3C Trace Context, without its version; nothing where it is none.
CREATE OR REPLACE FUNCTION @schema@.pack_trace(_traceparent text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN _traceparent ~ '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf]$'
        THEN decode(replace(substring(_traceparent FROM 4), '-', ''), 'hex') ELSE '' END
$$;

-- An event as nodes read it: flags, the trace, the number of topics, each topic, the name and the key, each after its
-- length, and the data.
CREATE OR REPLACE FUNCTION @schema@.pack(_topics text[], _data text, _event text, _private boolean, _key text)
RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT set_byte('\x00', 0, CASE WHEN _private THEN 1 ELSE 0 END + CASE WHEN _event IS NULL THEN 0 ELSE 2 END
            + CASE WHEN _key IS NULL THEN 0 ELSE 4 END + CASE WHEN t.trace = '' THEN 0 ELSE 32 END)
        || t.trace
        || set_byte('\x00', 0, cardinality(_topics))
        || (SELECT string_agg(@schema@.pack_text(t.topic), ''::bytea ORDER BY t.i)
            FROM unnest(_topics) WITH ORDINALITY AS t(topic, i))
        || coalesce(@schema@.pack_text(_event), '') || coalesce(@schema@.pack_text(_key), '')
        || convert_to(_data, 'UTF8')
    FROM @schema@.pack_trace(current_setting('sse_broadcaster.traceparent', true)) AS t(trace)
$$;

-- Publishes an event to some topics when the transaction commits, and not otherwise.
CREATE OR REPLACE FUNCTION @schema@.publish(
    topics text[], data text, event text DEFAULT NULL, private boolean DEFAULT false,
    idempotency_key text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    limits record;
    named text[];
    topic text;
    waiting bigint;
    text_bytes bigint;
BEGIN
    SELECT s.max_event_bytes, s.max_outbox INTO limits FROM @schema@.settings AS s;
    IF topics IS NULL OR data IS NULL OR private IS NULL OR array_position(topics, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'sse_broadcaster: a topic, the data or "private" is NULL'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Only event and idempotency_key may be NULL.';
    END IF;
    SELECT array_agg(t.topic ORDER BY t.i) INTO named FROM (
        SELECT t.topic, min(t.i) AS i FROM unnest(topics) WITH ORDINALITY AS t(topic, i) GROUP BY t.topic
    ) AS t;
    IF coalesce(cardinality(named), 0) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'sse_broadcaster: the event has % topics', coalesce(cardinality(named), 0)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give 1 to 100.';
    END IF;
    FOREACH topic IN ARRAY named LOOP
        PERFORM @schema@.check_topic(topic);
    END LOOP;
    PERFORM @schema@.check_event(event), @schema@.check_key(idempotency_key);
    IF octet_length(data) > limits.max_event_bytes THEN
        RAISE EXCEPTION 'sse_broadcaster: the data has % bytes', octet_length(data)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = format('At most %s bytes are allowed (--max-event-bytes).', limits.max_event_bytes);
    END IF;
    waiting := (SELECT o.id FROM @schema@.outbox AS o ORDER BY o.id DESC LIMIT 1)
        - (SELECT o.id FROM @schema@.outbox AS o ORDER BY o.id LIMIT 1);
    IF waiting >= limits.max_outbox THEN
        RAISE EXCEPTION 'sse_broadcaster: % events wait in the outbox, and no node has moved them into the log', waiting
            USING ERRCODE = 'configuration_limit_exceeded', HINT = 'Start a node on this database.';
    END IF;
    text_bytes := octet_length(array_to_string(named, '')) + octet_length(data)
        + coalesce(octet_length(event), 0) + coalesce(octet_length(idempotency_key), 0);
    INSERT INTO @schema@.outbox (packed, topics, idempotency_key, cost)
    VALUES (@schema@.pack(named, data, event, private, idempotency_key), array_to_string(named, E'\n'),
        idempotency_key, 256 + 2 * text_bytes);
    PERFORM pg_notify('@channel@_outbox', '');
END
$$;

CREATE OR REPLACE FUNCTION @schema@.publish(
    topic text, data text, event text DEFAULT NULL, private boolean DEFAULT false, idempotency_key text DEFAULT NULL
) RETURNS void LANGUAGE sql AS $$
    SELECT @schema@.publish(ARRAY[topic], data, event, private, idempotency_key)
$$;

CREATE OR REPLACE FUNCTION @schema@.publish(
    topics text[], data jsonb, event text DEFAULT NULL, private boolean DEFAULT false,
    idempotency_key text DEFAULT NULL
) RETURNS void LANGUAGE sql AS $$
    SELECT @schema@.publish(topics, data::text, event, private, idempotency_key)
$$;

CREATE OR REPLACE FUNCTION @schema@.publish(
    topic text, data jsonb, event text DEFAULT NULL, private boolean DEFAULT false, idempotency_key text DEFAULT NULL
) RETURNS void LANGUAGE sql AS $$
    SELECT @schema@.publish(ARRAY[topic], data::text, event, private, idempotency_key)
$$;

-- Who may use the schema may publish, and nothing else.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA @schema@ FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    @schema@.publish(text[], text, text, boolean, text), @schema@.publish(text, text, text, boolean, text),
    @schema@.publish(text[], jsonb, text, boolean, text), @schema@.publish(text, jsonb, text, boolean, text)
TO PUBLIC;
