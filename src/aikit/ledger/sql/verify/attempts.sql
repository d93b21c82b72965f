-- What must be true of each hold and each entry by itself.
WITH shapes AS (  -- the tags by which a tenant's subjects are told apart
    SELECT DISTINCT tenant, environment IS NOT NULL AS by_environment, feature IS NOT NULL AS by_feature,
                    user_id IS NOT NULL AS by_user
    FROM aikit.counters
)
SELECT 'counter_missing' AS kind, h.tenant,
       'hold ' || h.attempt || ' lists ' || coalesce(nullif(replace(subject, E'\x1f', ', '), ''), 'all') AS what,
       NULL::numeric AS expected, NULL::numeric AS found, false AS money
FROM aikit.holds h CROSS JOIN unnest(h.subjects) AS subject
LEFT JOIN aikit.counters c USING (tenant, subject)
WHERE c.revision IS NULL
UNION ALL
SELECT 'hold_uncounted', c.tenant,
       'hold ' || h.attempt || ' does not list ' || coalesce(nullif(replace(c.subject, E'\x1f', ', '), ''), 'all'),
       NULL, NULL, false
FROM aikit.holds h
JOIN shapes s ON s.tenant = h.tenant
JOIN aikit.counters c ON c.tenant = h.tenant AND c.subject = concat_ws(
    E'\x1f', CASE WHEN s.by_environment THEN 'environment=' || h.environment END,
    CASE WHEN s.by_feature THEN 'feature=' || coalesce(h.feature, '') END,
    CASE WHEN s.by_user THEN 'user=' || coalesce(h.user_id, '') END)
WHERE NOT c.subject = ANY (h.subjects)
UNION ALL
SELECT 'reason_code', tenant, 'attempt ' || attempt || ' was admitted with ' || reason_code, NULL, NULL, false
FROM (SELECT tenant, attempt, reason_code FROM aikit.entries
      UNION ALL SELECT tenant, attempt, reason_code FROM aikit.holds) a
WHERE reason_code NOT IN ('ALLOWED', 'ALLOWED_SOFT_CAP', 'ALLOWED_LEDGER_FAILURE', 'RECORDED')
UNION ALL
SELECT 'ended_hold', h.tenant, 'attempt ' || h.attempt || ' has ended and is still held', 0, h.nano, true
FROM aikit.holds h JOIN aikit.entries e ON e.tenant = h.tenant AND e.attempt = h.attempt AND e.seq = 0
UNION ALL
SELECT 'voided_charged', tenant, 'attempt ' || attempt, 0, nano, true
FROM aikit.entries WHERE ending = 'voided' AND seq = 0 AND nano <> 0
UNION ALL
SELECT 'presumed_amount', tenant, 'attempt ' || attempt, coalesce(presumed, held_nano), nano, true
FROM aikit.entries WHERE ending = 'presumed_spent' AND seq = 0 AND nano <> coalesce(presumed, held_nano)
UNION ALL
SELECT 'usage_missing', tenant, 'attempt ' || attempt, NULL, NULL, false
FROM aikit.entries
WHERE ending = 'settled' AND seq = 0 AND NOT estimated
  AND num_nulls(input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio,
                output, reasoning, output_audio, output_image, searches) > 0
UNION ALL
SELECT 'price_missing', e.tenant, 'price ' || e.price_id || ' of ' || count(*) || ' entries', NULL, NULL, false
FROM aikit.entries e LEFT JOIN aikit.prices p USING (price_id)
WHERE e.price_id IS NOT NULL AND p.price_id IS NULL
GROUP BY e.tenant, e.price_id
ORDER BY 2, 3, 1
