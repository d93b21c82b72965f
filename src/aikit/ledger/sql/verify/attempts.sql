-- What must be true of each hold and each entry by itself.
SELECT 'counter_missing' AS kind, h.tenant, 'hold ' || h.attempt || ' lists ' || listed.key AS what,
       NULL::numeric AS expected, NULL::numeric AS found, false AS money
FROM aikit.holds h CROSS JOIN unnest(h.counters) AS listed (key)
LEFT JOIN aikit.counters c ON c.tenant = h.tenant AND c.key = listed.key
WHERE c.key IS NULL
UNION ALL
SELECT 'ended_hold', h.tenant, 'attempt ' || h.attempt || ' has ended and is still held', 0, h.nano, true
FROM aikit.holds h JOIN aikit.entries e ON e.tenant = h.tenant AND e.attempt = h.attempt AND e.seq = 0
UNION ALL
SELECT 'voided_charged', tenant, 'attempt ' || attempt, 0, nano, true
FROM aikit.entries WHERE ending = 'voided' AND seq = 0 AND nano <> 0
UNION ALL
SELECT 'presumed_amount', tenant, 'attempt ' || attempt, held_nano, nano, true
FROM aikit.entries WHERE ending = 'presumed_spent' AND seq = 0 AND nano <> held_nano
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
