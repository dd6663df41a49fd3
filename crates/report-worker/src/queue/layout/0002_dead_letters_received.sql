-- How often a dead letter had been handed out; not known of what an older release gave up.
ALTER TABLE dead_letters ADD COLUMN receive_count INTEGER;
