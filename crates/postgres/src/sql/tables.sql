-- Version 1 of the schema: the tables. @schema@ stands for its name.

CREATE TABLE @schema@.settings (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- Of the tables and functions.
    version integer NOT NULL,
    -- What publish() accepts: bytes of data, and events that wait to be moved.
    max_event_bytes bigint NOT NULL DEFAULT 1000000,
    max_outbox bigint NOT NULL DEFAULT 1000000,
    -- By which positions are encrypted.
    position_key bytea
);

-- What is known of the log, in one row. Whoever appends holds its lock until the commit, so that positions come in the
-- order of commits.
CREATE TABLE @schema@.head (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    epoch bigint NOT NULL,
    birth_ms bigint NOT NULL,
    birth_seq bigint NOT NULL,
    -- The epoch began since something was lost.
    is_lossy boolean NOT NULL,
    -- The server that goes on with the log, where sequences begin there, and the last id of before.
    server text NOT NULL,
    first_seq bigint NOT NULL,
    term_ms bigint NOT NULL,
    term_seq bigint NOT NULL,
    -- Per server the newest id that a node had seen when it began an epoch.
    seen text NOT NULL,
    -- The last id that was given, how many events there were by then and their bytes in all, and the clock then.
    ms bigint NOT NULL,
    seq bigint NOT NULL,
    number bigint NOT NULL,
    bytes bigint NOT NULL,
    time_ms bigint NOT NULL,
    -- The same of the last event that retention dropped.
    floor_ms bigint NOT NULL,
    floor_seq bigint NOT NULL,
    floor_number bigint NOT NULL,
    floor_bytes bigint NOT NULL,
    floor_time_ms bigint NOT NULL,
    -- The oldest event, if there is one.
    oldest_ms bigint,
    oldest_seq bigint,
    -- The clock went back: no event up to this one was appended later than at step_time_ms.
    step_ms bigint,
    step_seq bigint,
    step_time_ms bigint,
    -- The partition that is filled, and where it begins.
    slot smallint NOT NULL,
    slot_number bigint NOT NULL,
    slot_bytes bigint NOT NULL,
    slot_time_ms bigint NOT NULL,
    -- Retained values, and their bytes with their keys.
    value_count bigint NOT NULL,
    value_bytes bigint NOT NULL,
    -- Idempotency keys may have been used by events that nothing is known of any more.
    keys_forgotten boolean NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- The partitions in turn. One that retention has passed is emptied, and filled again.
CREATE TABLE @schema@.slots (
    slot smallint PRIMARY KEY,
    is_empty boolean NOT NULL,
    -- The last event in it, once it is full.
    last_ms bigint,
    last_seq bigint,
    -- How often it was emptied. TRUNCATE is seen by transactions that began before it: who reads compares this.
    emptied bigint NOT NULL DEFAULT 0
);
INSERT INTO @schema@.slots (slot, is_empty) SELECT slot, slot > 0 FROM generate_series(0, 7) AS slot;

CREATE TABLE @schema@.events (
    ms bigint NOT NULL,
    seq bigint NOT NULL,
    -- How many events there were up to this one, and their bytes.
    number bigint NOT NULL,
    bytes bigint NOT NULL,
    -- What the clock showed.
    time_ms bigint NOT NULL,
    -- Of the call that appended it: tells it from another event that has its id in a log that went back.
    tag bigint NOT NULL,
    cost integer NOT NULL,
    slot smallint NOT NULL,
    packed bytea NOT NULL
) PARTITION BY LIST (slot);

-- The index of each topic. The key is a part of a hash, so that a topic may be longer than an index allows: readers
-- check the topics of what they find.
CREATE TABLE @schema@.topic_events (
    topic bigint NOT NULL,
    ms bigint NOT NULL,
    seq bigint NOT NULL,
    slot smallint NOT NULL
) PARTITION BY LIST (slot);

DO $$
BEGIN
    FOR slot IN 0..7 LOOP
        EXECUTE format('CREATE TABLE @schema@.events_%s PARTITION OF @schema@.events FOR VALUES IN (%s)', slot, slot);
        EXECUTE format('CREATE TABLE @schema@.topic_events_%s PARTITION OF @schema@.topic_events FOR VALUES IN (%s)',
            slot, slot);
    END LOOP;
END
$$;
CREATE INDEX ON @schema@.events (ms, seq);
CREATE INDEX ON @schema@.topic_events (topic, ms, seq);

-- Names of the topics in the index; some may have no events any more.
CREATE TABLE @schema@.topics (
    key bigint PRIMARY KEY,
    topic text COLLATE "C" NOT NULL
);

-- The event of each idempotency key, also where it was dropped.
CREATE TABLE @schema@.keys (
    key text COLLATE "C" PRIMARY KEY,
    ms bigint NOT NULL,
    seq bigint NOT NULL,
    -- No event before had it, so that a client may resume after it.
    is_first boolean NOT NULL
);

CREATE TABLE @schema@.retained (
    key bytea PRIMARY KEY,
    value bytea NOT NULL,
    ms bigint NOT NULL,
    seq bigint NOT NULL
);

-- What applications have published in their own transactions, until a node moves it into the log.
CREATE TABLE @schema@.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    packed bytea NOT NULL,
    -- One a line.
    topics text NOT NULL,
    idempotency_key text,
    cost bigint NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- The figures that each node reports.
CREATE TABLE @schema@.nodes (
    node text PRIMARY KEY,
    figures text NOT NULL,
    reported timestamptz NOT NULL
);
