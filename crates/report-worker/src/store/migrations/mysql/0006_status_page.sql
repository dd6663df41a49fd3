-- For the status page: the newest mails, and how many stand how. MySQL has no CREATE INDEX IF NOT EXISTS.
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'mails' AND index_name = 'mails_created'
);
SET @statement = IF(@missing, 'CREATE INDEX mails_created ON mails (created_at)', 'DO 0');
PREPARE step FROM @statement;
EXECUTE step;
DEALLOCATE PREPARE step;
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'mail_recipients' AND index_name = 'mail_recipients_state'
);
SET @statement = IF(@missing, 'CREATE INDEX mail_recipients_state ON mail_recipients (state, changed_at)', 'DO 0');
PREPARE step FROM @statement;
EXECUTE step;
DEALLOCATE PREPARE step;
