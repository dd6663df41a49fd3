-- How often HubSpot has failed over a record, or over others that were asked for with it, since it was last read. MySQL has
-- no ADD COLUMN IF NOT EXISTS. Workers that do not know the column leave it at its default.
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'due' AND column_name = 'failures'
);
SET @statement = IF(@missing, 'ALTER TABLE due ADD COLUMN failures BIGINT NOT NULL DEFAULT 0', 'DO 0');
PREPARE step FROM @statement;
EXECUTE step;
DEALLOCATE PREPARE step;
