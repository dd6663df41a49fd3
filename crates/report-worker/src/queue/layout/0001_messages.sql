-- All times are milliseconds since 1970-01-01T00:00:00Z.

-- A message waits while visible_at has passed and is in flight until then.
CREATE TABLE messages (
    sequence      INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    body          TEXT    NOT NULL,
    sent_at       INTEGER NOT NULL,
    visible_at    INTEGER NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    -- Of the latest receive; an older one is good for nothing.
    receipt       TEXT
) STRICT;

CREATE INDEX messages_by_visible_at ON messages (visible_at, sequence);

CREATE TABLE dead_letters (
    sequence INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    cause    TEXT    NOT NULL,
    sent_at  INTEGER NOT NULL,
    moved_at INTEGER NOT NULL
) STRICT;
