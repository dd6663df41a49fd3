-- What speaks against the figures: the few records that cannot be read, and those that HubSpot never showed as it told.
CREATE INDEX records_unreadable ON records (portal_id) WHERE state IN ('forbidden', 'unreadable');
CREATE INDEX records_unsettled ON records (portal_id, read_at) WHERE unsettled = 1;
