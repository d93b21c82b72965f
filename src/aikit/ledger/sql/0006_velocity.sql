-- Repeats: which requests processes have seen over and over, so that a loop that is spread over them is one, too.

-- repeats: how many requests with this content a process has seen in which second, in what is counted together --
-- Not in the write-ahead log: after a crash of the server nothing has been seen, and that is all.
CREATE UNLOGGED TABLE aikit.repeats (
    tenant text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    process uuid NOT NULL,
    body jsonb NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant, subject, fingerprint, process)
) WITH (fillfactor = 50);
