-- Every counter against the entries that were admitted in its window and the pending holds that list it.
-- An entry that nobody reported tokens for counted as its hold's, which is not on record: then they are a lower bound.
WITH by_minute AS (
    SELECT tenant, date_trunc('minute', admitted_at, 'UTC') AS minute, sum(nano) AS credits,
           coalesce(sum(input + cache_read + cache_write_5m + cache_write_1h + input_audio + input_image
                        + cache_read_audio + output + reasoning + output_audio + output_image), 0) AS tokens,
           count(*) FILTER (WHERE seq = 0) AS requests,
           bool_or(input IS NULL AND nano > 0) AS unreported
    FROM aikit.entries
    GROUP BY 1, 2
), spent AS (
    SELECT m.tenant, w."window", w.window_start, sum(m.credits) AS credits, sum(m.tokens) AS tokens,
           sum(m.requests) AS requests, bool_or(m.unreported) AS unreported
    FROM by_minute m CROSS JOIN LATERAL (VALUES
        ('minute', m.minute),
        ('hour', date_trunc('hour', m.minute, 'UTC')),
        ('day', date_trunc('day', m.minute, 'UTC')),
        ('week', date_trunc('week', m.minute, 'UTC')),
        ('month', date_trunc('month', m.minute, 'UTC')),
        ('total', to_timestamp(0))
    ) AS w ("window", window_start)
    GROUP BY 1, 2, 3
), pending AS (
    SELECT h.tenant, listed.key, sum(h.nano) AS credits, sum(h.tokens) AS tokens, count(*) AS requests
    FROM aikit.holds h CROSS JOIN unnest(h.counters) AS listed (key)
    GROUP BY 1, 2
), compared AS (
    SELECT c.tenant, c.key, c.metric = 'credits' AS money, c.used, c.held,
           coalesce(CASE c.metric WHEN 'credits' THEN s.credits WHEN 'tokens' THEN s.tokens
                                  WHEN 'requests' THEN s.requests END, 0) AS spent,
           coalesce(CASE c.metric WHEN 'credits' THEN p.credits WHEN 'tokens' THEN p.tokens
                                  ELSE p.requests END, 0) AS pending,
           c.metric = 'tokens' AND s.unreported AS at_least
    FROM aikit.counters c
    LEFT JOIN spent s ON s.tenant = c.tenant AND s."window" = c."window" AND s.window_start = c.window_start
    LEFT JOIN pending p ON p.tenant = c.tenant AND p.key = c.key
)
SELECT 'counter_used' AS kind, tenant, key || ': used' AS what, spent AS expected, used AS found, money
FROM compared WHERE used < spent OR (used > spent AND at_least IS NOT TRUE)
UNION ALL
SELECT 'counter_held', tenant, key || ': held', pending, held, money
FROM compared WHERE held <> pending
UNION ALL
SELECT 'counter_negative', tenant, key || ': ' || side, 0, amount, false
FROM compared CROSS JOIN LATERAL (VALUES ('used', used), ('held', held)) AS v (side, amount)
WHERE amount < 0
ORDER BY 2, 3, 1
