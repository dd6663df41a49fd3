-- A comparison with HubSpot while it runs: every record that HubSpot has listed, and what was wrong with it.
CREATE TABLE IF NOT EXISTS compared (
    walk       VARCHAR(32)     NOT NULL,             -- nightly, or by hand
    portal_id  BIGINT          NOT NULL,
    kind       VARCHAR(32)     NOT NULL,
    record_id  BIGINT          NOT NULL,
    difference VARCHAR(128),                         -- null where the books agree
    PRIMARY KEY (walk, portal_id, kind, record_id),
    KEY compared_differences (walk, difference)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
