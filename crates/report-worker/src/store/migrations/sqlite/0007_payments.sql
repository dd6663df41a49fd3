-- The invoice that a payment is for, so that an invoice's payments are found; null for other records. Workers that do not know
-- the column leave it null until they are replaced and the payment is read again.
ALTER TABLE records ADD COLUMN invoice INTEGER;
UPDATE records SET invoice = json_extract(record, '$.invoice')
    WHERE kind = 'payment' AND json_type(record, '$.invoice') = 'integer';
CREATE INDEX payments_of_invoice ON records (portal_id, invoice) WHERE invoice IS NOT NULL;
