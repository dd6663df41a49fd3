-- A comparison with HubSpot while it runs: every record that HubSpot has listed, and what was wrong with it.
CREATE TABLE compared (
    walk       TEXT    NOT NULL,                     -- nightly, or by hand
    portal_id  INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    record_id  INTEGER NOT NULL,
    difference TEXT,                                 -- null where the books agree
    PRIMARY KEY (walk, portal_id, kind, record_id)
);
CREATE INDEX compared_differences ON compared (walk, difference);
