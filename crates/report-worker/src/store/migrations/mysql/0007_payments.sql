-- The invoice that a payment is for, so that an invoice's payments are found; null for other records. Workers that do not know
-- the column leave it null until they are replaced and the payment is read again. MySQL has no ADD COLUMN IF NOT EXISTS.
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'records' AND column_name = 'invoice'
);
SET @statement = IF(@missing, 'ALTER TABLE records ADD COLUMN invoice BIGINT', 'DO 0');
PREPARE step FROM @statement;
EXECUTE step;
DEALLOCATE PREPARE step;
UPDATE records SET invoice = CAST(JSON_EXTRACT(record, '$.invoice') AS SIGNED)
    WHERE kind = 'payment' AND JSON_TYPE(JSON_EXTRACT(record, '$.invoice')) = 'INTEGER';
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'records' AND index_name = 'payments_of_invoice'
);
SET @statement = IF(@missing, 'CREATE INDEX payments_of_invoice ON records (portal_id, invoice)', 'DO 0');
PREPARE step FROM @statement;
EXECUTE step;
DEALLOCATE PREPARE step;
