-- The oldest deliveries, for the day on which they are deleted.
CREATE INDEX deliveries_received ON deliveries (received_at);
