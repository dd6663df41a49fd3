-- The oldest deliveries, for the day on which they are deleted. MySQL has no CREATE INDEX IF NOT EXISTS. The table can be
-- read and written while the index is made.
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'deliveries' AND index_name = 'deliveries_received'
);
SET @statement = IF(@missing, 'CREATE INDEX deliveries_received ON deliveries (received_at)', 'DO 0');
PREPARE step FROM @statement;
EXECUTE step;
DEALLOCATE PREPARE step;
