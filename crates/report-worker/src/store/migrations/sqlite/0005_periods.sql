-- What each record adds to which figure on which civil date of the reporting zone. By date, since that is how a period's report
-- reads it: a month costs what is in the month.
CREATE TABLE entries (
    portal_id INTEGER NOT NULL,
    date      TEXT    NOT NULL,
    record_id INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    figure    TEXT    NOT NULL,
    n         INTEGER NOT NULL,                      -- the n-th entry of its record to its figure
    entry     TEXT    NOT NULL,                      -- JSON
    face      TEXT    NOT NULL,                      -- JSON: the record as a report shows, filters and groups it
    PRIMARY KEY (portal_id, date, record_id, kind, figure, n)
) WITHOUT ROWID;
CREATE INDEX entries_of_record ON entries (portal_id, kind, record_id);

-- What was owed on an invoice from the end of one day until the end of another. By the end of it: what is owed at a day are the
-- rows that end after it, and these are what is still open and what has been settled since.
CREATE TABLE balances (
    portal_id  INTEGER NOT NULL,
    until_date TEXT    NOT NULL,                     -- 9999-12-31 while it is owed
    record_id  INTEGER NOT NULL,
    from_date  TEXT    NOT NULL,
    owed       TEXT    NOT NULL,                     -- JSON
    face       TEXT    NOT NULL,                     -- JSON
    PRIMARY KEY (portal_id, until_date, record_id, from_date)
) WITHOUT ROWID;
CREATE INDEX balances_of_record ON balances (portal_id, record_id);

-- The reports of one definition, one period after the other. Another definition of the same name is another series.
CREATE TABLE series (
    portal_id     INTEGER NOT NULL,
    id            TEXT    NOT NULL,                  -- name and digest of the definition
    name          TEXT    NOT NULL,
    begun_at      INTEGER NOT NULL,
    from_date     TEXT    NOT NULL,                  -- nothing before is ever owed
    told_through  TEXT    NOT NULL,                  -- the end of the newest period that was announced
    built_through TEXT    NOT NULL,                  -- the end of the newest period whose report is built
    built_at      INTEGER NOT NULL,                  -- when that was; when the series was begun, before the first
    waiting_since INTEGER,                           -- since when the next report waits for records to be read
    version       INTEGER NOT NULL,                  -- counts what was stored of it: who read another one starts anew
    PRIMARY KEY (portal_id, id)
);

-- What a series told of a record, where the record has changed since. Where a record has no row, a series has told what stands in
-- entries; the first change after a report leaves here what stood there.
CREATE TABLE marks (
    portal_id  INTEGER NOT NULL,
    series     TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    record_id  INTEGER NOT NULL,
    generation INTEGER NOT NULL,                     -- counts the changes; a report clears the one that it read
    told       TEXT    NOT NULL,                     -- JSON: the lines from before, of the days that were announced
    PRIMARY KEY (portal_id, series, kind, record_id)
);

-- Which period a report is of.
CREATE TABLE periods (
    report_id TEXT    NOT NULL PRIMARY KEY REFERENCES reports (id),
    portal_id INTEGER NOT NULL,
    series    TEXT    NOT NULL,
    name      TEXT    NOT NULL,                      -- the definition's
    from_date TEXT    NOT NULL,
    to_date   TEXT    NOT NULL,
    revision  INTEGER NOT NULL,
    mail      TEXT                                   -- Message-ID; null where there was nothing to tell
);
CREATE INDEX periods_named ON periods (portal_id, name, from_date);

-- Locked by whoever announces a period, and shared by whoever settles records, so that the one sees the other.
INSERT OR IGNORE INTO facts (name, value) VALUES ('announced', 'null');
