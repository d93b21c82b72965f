-- A breaker is where its last move says; one that is open has an end, one that probes has some reason to; none has two
-- leases for one attempt, and none began in the future.
WITH last AS (
    SELECT DISTINCT ON (provider, model) provider, model, state FROM aikit.breaker_moves
    ORDER BY provider, model, seq DESC
), named AS (
    SELECT b.*, 'breaker ' || concat_ws('/', b.provider, nullif(b.model, '')) AS what FROM aikit.breakers b
)
SELECT 'breaker_move' AS kind, '' AS tenant,
       b.what || ' is ' || b.state || ', its last move says ' || coalesce(l.state, 'closed') AS what,
       NULL::numeric AS expected, NULL::numeric AS found, false AS money
FROM named b LEFT JOIN last l ON l.provider = b.provider AND l.model = b.model
WHERE b.state <> coalesce(l.state, 'closed')
UNION ALL
SELECT 'breaker_end', '', what || ' is open without an end', NULL, NULL, false
FROM named WHERE state = 'open' AND (until IS NULL OR until <= since)
UNION ALL
SELECT 'breaker_probes', '', what || ' is ' || state || ' and has probes under way', 0, cardinality(probes), false
FROM named WHERE state NOT IN ('open', 'half_open') AND cardinality(probes) > 0
UNION ALL
SELECT 'breaker_probes', '', what || ' has two leases for one attempt', NULL, NULL, false
FROM named WHERE cardinality(probes) <> (SELECT count(DISTINCT probe) FROM unnest(probes) probe)
UNION ALL
SELECT 'breaker_moves', '',
       'a move of ' || concat_ws('/', provider, nullif(model, '')) || ' from ' || was || ', where the one before left it '
       || before, NULL, NULL, false
FROM (SELECT *, coalesce(lag(state) OVER (PARTITION BY provider, model ORDER BY seq), 'closed') AS before
      FROM aikit.breaker_moves) moves
WHERE was <> before
ORDER BY 2, 3, 1
