-- What speaks against the figures: the records that cannot be read, and those that HubSpot never showed as it told. MySQL has
-- no CREATE INDEX IF NOT EXISTS, and no index of some rows only.
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'records' AND index_name = 'records_state'
);
SET @statement = IF(@missing, 'CREATE INDEX records_state ON records (portal_id, state, unsettled)', 'DO 0');
PREPARE step FROM @statement;
EXECUTE step;
DEALLOCATE PREPARE step;
