-- Version 4 of the schema: presence, and the list of a hub's subscriptions. Names are bytes, since users may hold a NUL,
-- which text cannot. They may be longer than an index allows, so indexes have their hashes. The tables are in the WAL: a
-- crash that emptied them would lose ends that wait to be announced, and nobody could know of these any more.

-- Both lists: 'presence' and 'subscriptions'. Whoever changes one holds the lock of its row until the commit, so that
-- changes are numbered in the order of commits. It is not the lock of the head: appends do not wait for it.
CREATE TABLE @schema@.live_lists (
    list text PRIMARY KEY,
    -- When a node reported last that it lives.
    reported_ms bigint NOT NULL DEFAULT 0,
    -- The number of the last change that was queued.
    last_change bigint NOT NULL DEFAULT 0,
    -- The node that publishes the queue, and until when, if it does not say that it is done.
    publisher text,
    publishes_until_ms bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
INSERT INTO @schema@.live_lists (list) VALUES ('presence'), ('subscriptions');

-- The nodes, when each reported last that it lives, and the number of the last batch that it has written.
CREATE TABLE @schema@.live_nodes (
    list text NOT NULL,
    node text NOT NULL,
    reported_ms bigint NOT NULL,
    last_batch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (list, node)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Changes that are to be published, in the order of their numbers, without a number that is missing in between.
CREATE TABLE @schema@.live_changes (
    list text NOT NULL,
    number bigint NOT NULL,
    -- The idempotency key, which nobody can guess.
    key text NOT NULL,
    kind text NOT NULL,
    -- A topic, or a matcher.
    name bytea NOT NULL,
    -- A user, or a subscriber.
    member bytea,
    data text,
    -- How many users the topic has then.
    users bigint,
    PRIMARY KEY (list, number)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Topics with connections.
CREATE TABLE @schema@.presence_topics (
    topic bytea PRIMARY KEY,
    connections bigint NOT NULL,
    users bigint NOT NULL
);

CREATE TABLE @schema@.presence_users (
    topic bytea NOT NULL,
    -- A hash of the name.
    key bytea NOT NULL,
    name bytea NOT NULL,
    -- On how many nodes the user has connections.
    nodes bigint NOT NULL,
    data text,
    PRIMARY KEY (topic, key)
);
CREATE INDEX ON @schema@.presence_users (topic, substr(name, 1, 512));

-- How many connections each node has for a user of a topic. The key is empty for all without a user.
CREATE TABLE @schema@.presence_members (
    node text NOT NULL,
    topic bytea NOT NULL,
    key bytea NOT NULL,
    connections bigint NOT NULL,
    PRIMARY KEY (node, topic, key)
);

-- Until when no node writes the signal of a topic. It matters for half a second, so a crash may empty it.
CREATE UNLOGGED TABLE @schema@.presence_claims (
    topic bytea PRIMARY KEY,
    until_ms bigint NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE TABLE @schema@.hub_subscriptions (
    -- Which is the order in which they began.
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    node text NOT NULL,
    -- Its name on that node, which increases.
    name bigint NOT NULL,
    matcher bytea NOT NULL,
    subscriber bytea NOT NULL,
    payload text,
    PRIMARY KEY (node, name)
);
CREATE UNIQUE INDEX ON @schema@.hub_subscriptions (sha256(matcher), sha256(subscriber));
CREATE INDEX ON @schema@.hub_subscriptions (sha256(matcher), number);
