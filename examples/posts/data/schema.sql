CREATE TABLE identity (id TEXT NOT NULL, key TEXT NOT NULL) STRICT;

-- The id tells this database's announcements in the log from another's; the key proves its cookies.
INSERT INTO identity VALUES (lower(hex(randomblob(16))), lower(hex(randomblob(32))));

CREATE TABLE authors (
    id     TEXT PRIMARY KEY,
    -- Its hash.
    secret TEXT NOT NULL,
    name   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE posts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    author     TEXT NOT NULL REFERENCES authors (id),
    username   TEXT NOT NULL,
    message    TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    edited_ms  INTEGER
) STRICT;

-- Changes that are still to be announced. Numbers are given once, so that an announcement that is
-- repeated has the same.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    post   INTEGER NOT NULL,
    change TEXT NOT NULL CHECK (change IN ('created', 'edited', 'deleted'))
) STRICT;
