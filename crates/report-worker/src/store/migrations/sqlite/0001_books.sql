-- The books. Times are epoch milliseconds, UTC. Every key begins with the portal id where it belongs to an account.

-- What the door accepted, as it came.
CREATE TABLE deliveries (
    id                BLOB    NOT NULL PRIMARY KEY,  -- 16 bytes of the digest of all that was received
    received_at       INTEGER NOT NULL,
    taken_in_at       INTEGER NOT NULL,
    signature_version TEXT    NOT NULL,
    correlation_id    TEXT,
    body_encoding     TEXT    NOT NULL,              -- plain, gzip
    body              BLOB    NOT NULL
);

-- The events of the deliveries: of which kind and for which record stands in the delivery's body. HubSpot may send one
-- twice; the key is made of its own fields. It begins with the time, so that what is new lies together, however much is old.
-- The keys outlive the deliveries: that is why no foreign key is here.
CREATE TABLE events (
    portal_id         INTEGER NOT NULL,
    occurred_at       INTEGER NOT NULL,
    dedupe_key        BLOB    NOT NULL,              -- 16 bytes
    delivery_id       BLOB    NOT NULL,              -- where it came first
    member            INTEGER NOT NULL,              -- position in the body, from 0
    PRIMARY KEY (portal_id, occurred_at, dedupe_key)
) WITHOUT ROWID;

-- What was delivered and not acted on, with the cause.
CREATE TABLE set_aside (
    delivery_id BLOB    NOT NULL REFERENCES deliveries (id),
    member      INTEGER NOT NULL,
    cause       TEXT    NOT NULL,
    raw         TEXT    NOT NULL,
    PRIMARY KEY (delivery_id, member)
);

-- Records to look at. One row per record that was ever asked for; next_at is null when nothing is due.
CREATE TABLE due (
    portal_id     INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    record_id     INTEGER NOT NULL,
    generation    INTEGER NOT NULL,                  -- counts the askings; clearing names the one that was read
    wanted_as_of  INTEGER,                           -- a reading older than this is not good enough
    first_read_at INTEGER,                           -- when it was first read for this asking
    readings      INTEGER NOT NULL,                  -- how often it was read for this asking
    next_at       INTEGER,
    PRIMARY KEY (portal_id, kind, record_id)
);
CREATE INDEX due_next ON due (next_at);

-- The records as last read.
CREATE TABLE records (
    portal_id   INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    record_id   INTEGER NOT NULL,
    state       TEXT    NOT NULL,                    -- known, archived, merged, gone, forbidden, unreadable
    merged_into INTEGER,
    updated_at  INTEGER NOT NULL,                    -- HubSpot's last modification; 0 where nothing could be read
    read_at     INTEGER NOT NULL,
    unsettled   INTEGER NOT NULL,                    -- 1: HubSpot never showed what the event told
    record      TEXT,                                -- JSON, with the histories; null where nothing could be read
    PRIMARY KEY (portal_id, kind, record_id)
);

-- Open invoices by the day they are due, for the midnight step.
CREATE TABLE open_invoices (
    portal_id INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    due_date  TEXT    NOT NULL,
    PRIMARY KEY (portal_id, record_id)
);
CREATE INDEX open_invoices_due ON open_invoices (due_date);

-- The finance changes, each once.
CREATE TABLE changes (
    seq           INTEGER PRIMARY KEY,
    portal_id     INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    record_id     INTEGER NOT NULL,
    change_id     TEXT    NOT NULL,                  -- property, time and value
    change_kind   TEXT    NOT NULL,
    effective_at  INTEGER NOT NULL,
    business_date TEXT    NOT NULL,
    observed_at   INTEGER NOT NULL,
    change        TEXT    NOT NULL,                  -- JSON
    UNIQUE (portal_id, kind, record_id, change_id)
);

-- Changes that an event-driven report has still to tell. Membership is per change.
CREATE TABLE pending (
    report_name TEXT    NOT NULL,
    change_seq  INTEGER NOT NULL REFERENCES changes (seq),
    PRIMARY KEY (report_name, change_seq)
);

-- The reports as built.
CREATE TABLE reports (
    id              TEXT    NOT NULL PRIMARY KEY,
    name            TEXT    NOT NULL,
    definition_hash TEXT    NOT NULL,
    built_at        INTEGER NOT NULL,
    document        TEXT    NOT NULL                 -- JSON
);

-- Which report told which change: each change once per report name.
CREATE TABLE report_changes (
    report_name TEXT    NOT NULL,
    change_seq  INTEGER NOT NULL REFERENCES changes (seq),
    report_id   TEXT    NOT NULL REFERENCES reports (id),
    PRIMARY KEY (report_name, change_seq)
);

-- What each report said of each record; the next one compares with the newest.
CREATE TABLE report_lines (
    report_name TEXT    NOT NULL,
    portal_id   INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    record_id   INTEGER NOT NULL,
    built_at    INTEGER NOT NULL,
    report_id   TEXT    NOT NULL REFERENCES reports (id),
    position    TEXT    NOT NULL,                    -- JSON
    PRIMARY KEY (report_name, portal_id, kind, record_id, report_id)
);
CREATE INDEX report_lines_newest ON report_lines (report_name, portal_id, kind, record_id, built_at);

-- Mails to send, byte for byte.
CREATE TABLE mails (
    message_id TEXT    NOT NULL PRIMARY KEY,
    report_id  TEXT    REFERENCES reports (id),      -- null for a mail to the owner about trouble
    sender     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    bytes      BLOB    NOT NULL
);

-- One state per recipient.
CREATE TABLE mail_recipients (
    message_id TEXT    NOT NULL REFERENCES mails (message_id),
    address    TEXT    NOT NULL,
    state      TEXT    NOT NULL,                     -- waiting, sending, unknown, sent, refused
    attempts   INTEGER NOT NULL,
    next_at    INTEGER,                              -- null once there is nothing more to try
    reply      TEXT,                                 -- what SMTP said last
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, address)
);
CREATE INDEX mail_recipients_next ON mail_recipients (next_at);

-- Small facts about the books themselves: the account, books_open_at, the walk's cursors, the stages.
CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
