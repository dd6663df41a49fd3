-- The books, for MySQL 8 and MariaDB 10.11. Times are epoch milliseconds, UTC. Every key begins with the portal id where it
-- belongs to an account.
--
-- Text is compared byte by byte, as in SQLite; what may end with a space in a key is VARBINARY, since MySQL pads the rest.
-- No foreign keys: InnoDB would keep an index of its own for each, and lock the parent's row for every child.
-- DDL is no part of a transaction here, so that every statement must be one that can be done again.

-- What the door accepted, as it came.
CREATE TABLE IF NOT EXISTS deliveries (
    id                BINARY(16)      NOT NULL PRIMARY KEY, -- of the digest of all that was received
    received_at       BIGINT          NOT NULL,
    taken_in_at       BIGINT          NOT NULL,
    signature_version LONGTEXT        NOT NULL,
    correlation_id    LONGTEXT,
    body_encoding     VARCHAR(16)     NOT NULL,      -- plain, gzip
    body              LONGBLOB        NOT NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The events of the deliveries: of which kind and for which record stands in the delivery's body. HubSpot may send one
-- twice; the key is made of its own fields. It begins with the time, so that what is new lies together, however much is old.
CREATE TABLE IF NOT EXISTS events (
    portal_id         BIGINT          NOT NULL,
    occurred_at       BIGINT          NOT NULL,
    dedupe_key        BINARY(16)      NOT NULL,
    delivery_id       BINARY(16)      NOT NULL,      -- where it came first
    member            BIGINT          NOT NULL,      -- position in the body, from 0
    PRIMARY KEY (portal_id, occurred_at, dedupe_key)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was delivered and not acted on, with the cause.
CREATE TABLE IF NOT EXISTS set_aside (
    delivery_id BINARY(16)      NOT NULL,
    member      BIGINT          NOT NULL,
    cause       LONGTEXT        NOT NULL,
    raw         LONGTEXT        NOT NULL,
    PRIMARY KEY (delivery_id, member)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Records to look at. One row per record that was ever asked for; next_at is null when nothing is due.
CREATE TABLE IF NOT EXISTS due (
    portal_id     BIGINT          NOT NULL,
    kind          VARCHAR(32)     NOT NULL,
    record_id     BIGINT          NOT NULL,
    generation    BIGINT          NOT NULL,          -- counts the askings; clearing names the one that was read
    wanted_as_of  BIGINT,                            -- a reading older than this is not good enough
    first_read_at BIGINT,                            -- when it was first read for this asking
    readings      BIGINT          NOT NULL,          -- how often it was read for this asking
    next_at       BIGINT,
    PRIMARY KEY (portal_id, kind, record_id),
    INDEX due_next (next_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The records as last read.
CREATE TABLE IF NOT EXISTS records (
    portal_id   BIGINT          NOT NULL,
    kind        VARCHAR(32)     NOT NULL,
    record_id   BIGINT          NOT NULL,
    state       VARCHAR(64)     NOT NULL,            -- known, archived, merged, gone, forbidden, unreadable
    merged_into BIGINT,
    updated_at  BIGINT          NOT NULL,            -- HubSpot's last modification; 0 where nothing could be read
    read_at     BIGINT          NOT NULL,
    unsettled   BIGINT          NOT NULL,            -- 1: HubSpot never showed what the event told
    record      LONGTEXT,                            -- JSON, with the histories; null where nothing could be read
    PRIMARY KEY (portal_id, kind, record_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Open invoices by the day they are due, for the midnight step.
CREATE TABLE IF NOT EXISTS open_invoices (
    portal_id BIGINT          NOT NULL,
    record_id BIGINT          NOT NULL,
    due_date  VARCHAR(10)     NOT NULL,
    PRIMARY KEY (portal_id, record_id),
    INDEX open_invoices_due (due_date)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The finance changes, each once.
CREATE TABLE IF NOT EXISTS changes (
    seq           BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    portal_id     BIGINT          NOT NULL,
    kind          VARCHAR(32)     NOT NULL,
    record_id     BIGINT          NOT NULL,
    change_id     VARBINARY(1000) NOT NULL,          -- property, time and value
    change_kind   VARCHAR(64)     NOT NULL,
    effective_at  BIGINT          NOT NULL,
    business_date VARCHAR(10)     NOT NULL,
    observed_at   BIGINT          NOT NULL,
    `change`      LONGTEXT        NOT NULL,          -- JSON
    UNIQUE (portal_id, kind, record_id, change_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Changes that an event-driven report has still to tell. Membership is per change.
CREATE TABLE IF NOT EXISTS pending (
    report_name VARCHAR(100)    NOT NULL,
    change_seq  BIGINT          NOT NULL,
    PRIMARY KEY (report_name, change_seq)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The reports as built.
CREATE TABLE IF NOT EXISTS reports (
    id              VARCHAR(64)     NOT NULL PRIMARY KEY,
    name            VARCHAR(100)    NOT NULL,
    definition_hash LONGTEXT        NOT NULL,
    built_at        BIGINT          NOT NULL,
    document        LONGTEXT        NOT NULL         -- JSON
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which report told which change: each change once per report name.
CREATE TABLE IF NOT EXISTS report_changes (
    report_name VARCHAR(100)    NOT NULL,
    change_seq  BIGINT          NOT NULL,
    report_id   VARCHAR(64)     NOT NULL,
    PRIMARY KEY (report_name, change_seq)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What each report said of each record; the next one compares with the newest.
CREATE TABLE IF NOT EXISTS report_lines (
    report_name VARCHAR(100)    NOT NULL,
    portal_id   BIGINT          NOT NULL,
    kind        VARCHAR(32)     NOT NULL,
    record_id   BIGINT          NOT NULL,
    built_at    BIGINT          NOT NULL,
    report_id   VARCHAR(64)     NOT NULL,
    position    LONGTEXT        NOT NULL,            -- JSON
    PRIMARY KEY (report_name, portal_id, kind, record_id, report_id),
    INDEX report_lines_newest (report_name, portal_id, kind, record_id, built_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Mails to send, byte for byte.
CREATE TABLE IF NOT EXISTS mails (
    message_id VARCHAR(400)    NOT NULL PRIMARY KEY,
    report_id  VARCHAR(64),                          -- null for a mail to the owner about trouble
    sender     LONGTEXT        NOT NULL,
    subject    LONGTEXT        NOT NULL,
    created_at BIGINT          NOT NULL,
    bytes      LONGBLOB        NOT NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One state per recipient.
CREATE TABLE IF NOT EXISTS mail_recipients (
    message_id VARCHAR(400)    NOT NULL,
    address    VARCHAR(320)    NOT NULL,
    state      VARCHAR(64)     NOT NULL,             -- waiting, sending, unknown, sent, refused
    attempts   BIGINT          NOT NULL,
    next_at    BIGINT,                               -- null once there is nothing more to try
    reply      LONGTEXT,                             -- what SMTP said last
    changed_at BIGINT          NOT NULL,
    PRIMARY KEY (message_id, address),
    INDEX mail_recipients_next (next_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Small facts about the books themselves: the account, books_open_at, the walk's cursors, the stages.
CREATE TABLE IF NOT EXISTS facts (
    name  VARCHAR(100)    NOT NULL PRIMARY KEY,
    value LONGTEXT        NOT NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
