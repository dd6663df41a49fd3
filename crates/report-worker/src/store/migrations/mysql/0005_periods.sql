-- What each record adds to which figure on which civil date of the reporting zone. By date, since that is how a period's report
-- reads it: a month costs what is in the month.
CREATE TABLE IF NOT EXISTS entries (
    portal_id BIGINT          NOT NULL,
    date      VARCHAR(10)     NOT NULL,
    record_id BIGINT          NOT NULL,
    kind      VARCHAR(32)     NOT NULL,
    figure    VARCHAR(64)     NOT NULL,
    n         BIGINT          NOT NULL,              -- the n-th entry of its record to its figure
    entry     LONGTEXT        NOT NULL,              -- JSON
    face      LONGTEXT        NOT NULL,              -- JSON: the record as a report shows, filters and groups it
    PRIMARY KEY (portal_id, date, record_id, kind, figure, n),
    INDEX entries_of_record (portal_id, kind, record_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was owed on an invoice from the end of one day until the end of another. By the end of it: what is owed at a day are the
-- rows that end after it, and these are what is still open and what has been settled since.
CREATE TABLE IF NOT EXISTS balances (
    portal_id  BIGINT          NOT NULL,
    until_date VARCHAR(10)     NOT NULL,             -- 9999-12-31 while it is owed
    record_id  BIGINT          NOT NULL,
    from_date  VARCHAR(10)     NOT NULL,
    owed       LONGTEXT        NOT NULL,             -- JSON
    face       LONGTEXT        NOT NULL,             -- JSON
    PRIMARY KEY (portal_id, until_date, record_id, from_date),
    INDEX balances_of_record (portal_id, record_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The reports of one definition, one period after the other. Another definition of the same name is another series.
CREATE TABLE IF NOT EXISTS series (
    portal_id     BIGINT          NOT NULL,
    id            VARCHAR(120)    NOT NULL,          -- name and digest of the definition
    name          VARCHAR(100)    NOT NULL,
    begun_at      BIGINT          NOT NULL,
    from_date     VARCHAR(10)     NOT NULL,          -- nothing before is ever owed
    told_through  VARCHAR(10)     NOT NULL,          -- the end of the newest period that was announced
    built_through VARCHAR(10)     NOT NULL,          -- the end of the newest period whose report is built
    built_at      BIGINT          NOT NULL,          -- when that was; when the series was begun, before the first
    waiting_since BIGINT,                            -- since when the next report waits for records to be read
    version       BIGINT          NOT NULL,          -- counts what was stored of it: who read another one starts anew
    PRIMARY KEY (portal_id, id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What a series told of a record, where the record has changed since. Where a record has no row, a series has told what stands in
-- entries; the first change after a report leaves here what stood there.
CREATE TABLE IF NOT EXISTS marks (
    portal_id  BIGINT          NOT NULL,
    series     VARCHAR(120)    NOT NULL,
    kind       VARCHAR(32)     NOT NULL,
    record_id  BIGINT          NOT NULL,
    generation BIGINT          NOT NULL,             -- counts the changes; a report clears the one that it read
    told       LONGTEXT        NOT NULL,             -- JSON: the lines from before, of the days that were announced
    PRIMARY KEY (portal_id, series, kind, record_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Which period a report is of.
CREATE TABLE IF NOT EXISTS periods (
    report_id VARCHAR(64)     NOT NULL PRIMARY KEY,
    portal_id BIGINT          NOT NULL,
    series    VARCHAR(120)    NOT NULL,
    name      VARCHAR(100)    NOT NULL,              -- the definition's
    from_date VARCHAR(10)     NOT NULL,
    to_date   VARCHAR(10)     NOT NULL,
    revision  BIGINT          NOT NULL,
    mail      VARCHAR(400),                          -- Message-ID; null where there was nothing to tell
    INDEX periods_named (portal_id, name, from_date)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Locked by whoever announces a period, and shared by whoever settles records, so that the one sees the other.
INSERT IGNORE INTO facts (name, value) VALUES ('announced', 'null');
