-- Version 2 of the schema: events can be erased. What is left of one keeps its row, whose `cost` is then less than what it
-- adds to `bytes`. It is in the index under the names of erased_topic(), so that nobody finds it by its topics who does
-- not ask for what was erased.

ALTER TABLE @schema@.head
    -- Of the events after the floor: how many were erased, and how many bytes less they count since.
    ADD COLUMN erased_events bigint NOT NULL DEFAULT 0,
    ADD COLUMN erased_bytes bigint NOT NULL DEFAULT 0,
    -- Some idempotency keys are known by their hash alone: see used_key().
    ADD COLUMN keys_erased boolean NOT NULL DEFAULT false;
