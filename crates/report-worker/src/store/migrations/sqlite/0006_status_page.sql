-- For the status page: the newest mails, and how many stand how.
CREATE INDEX mails_created ON mails (created_at);
CREATE INDEX mail_recipients_state ON mail_recipients (state, changed_at);
