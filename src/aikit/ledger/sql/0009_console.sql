-- The console looks at all tenants at once: what is newest, whoever made it, and the sums of an hour bit by bit.

-- by time: an attempt's id is a UUIDv7, so this is the order in which attempts were made --
CREATE INDEX entries_by_time ON aikit.entries (attempt);
CREATE INDEX refusals_by_time ON aikit.refusals (attempt);

-- by hour, and within it by tenant: the sums of a busy hour are read a part of the tenants at a time --
DROP INDEX aikit.rollups_by_hour;
CREATE INDEX rollups_by_hour ON aikit.rollups (hour, tenant);
