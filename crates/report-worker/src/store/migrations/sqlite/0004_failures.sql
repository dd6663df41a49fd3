-- How often HubSpot has failed over a record, or over others that were asked for with it, since it was last read.
ALTER TABLE due ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
