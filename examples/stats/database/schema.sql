-- One row each. Whoever adds rows, this program or another, the dashboard follows.
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64)
) STRICT;

CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    owner INTEGER NOT NULL REFERENCES users (id)
) STRICT;

-- Who works with whom.
CREATE TABLE connections (
    id INTEGER PRIMARY KEY,
    one INTEGER NOT NULL REFERENCES users (id),
    other INTEGER NOT NULL REFERENCES users (id)
) STRICT;

CREATE TABLE activity (
    id INTEGER PRIMARY KEY,
    user TEXT NOT NULL REFERENCES users (name),
    action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 500),
    time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
        CHECK (time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]*Z'
            AND length(time) <= 32)
) STRICT;

CREATE INDEX activity_by_user ON activity (user);
