-- Every slot of every counter against the entries and the pending holds that were admitted in its window.
-- All windows start at a full minute. A minute or an hour that has not rolled on is exact for its own window; a day,
-- a week or a month that has not rolled on has had no attempt since it ended.
-- What was pruned is known by the hour. Where a window begins or ends within an hour of which something was pruned, what
-- it came to can't be told any more, and is not compared.
WITH shapes AS (  -- the tags by which a tenant's subjects are told apart
    SELECT DISTINCT tenant, environment IS NOT NULL AS by_environment, feature IS NOT NULL AS by_feature,
                    user_id IS NOT NULL AS by_user
    FROM aikit.counters
), by_minute AS MATERIALIZED (
    SELECT e.tenant,
           concat_ws(E'\x1f', CASE WHEN s.by_environment THEN 'environment=' || e.environment END,
                     CASE WHEN s.by_feature THEN 'feature=' || coalesce(e.feature, '') END,
                     CASE WHEN s.by_user THEN 'user=' || coalesce(e.user_id, '') END) AS subject,
           date_trunc('minute', e.admitted_at, 'UTC') AS minute, sum(e.nano) AS credits,
           sum(CASE WHEN e.input IS NOT NULL THEN e.input + e.cache_read + e.cache_write_5m + e.cache_write_1h
                                                  + e.input_audio + e.input_image + e.cache_read_audio
                    WHEN e.nano > 0 AND e.seq = 0 THEN e.held_tokens - e.held_output ELSE 0 END) AS input,
           sum(CASE WHEN e.output IS NOT NULL THEN e.output + e.reasoning + e.output_audio + e.output_image
                    WHEN e.nano > 0 AND e.seq = 0 THEN e.held_output ELSE 0 END) AS output,
           count(*) FILTER (WHERE e.seq = 0) AS requests
    FROM aikit.entries e JOIN shapes s ON s.tenant = e.tenant
    GROUP BY 1, 2, 3
), gone AS MATERIALIZED (
    SELECT r.tenant,
           concat_ws(E'\x1f', CASE WHEN s.by_environment THEN 'environment=' || r.environment END,
                     CASE WHEN s.by_feature THEN 'feature=' || r.feature END,
                     CASE WHEN s.by_user THEN 'user=' || r.user_id END) AS subject,
           r.hour, sum(r.nano) AS credits,
           sum(r.input + r.cache_read + r.cache_write_5m + r.cache_write_1h + r.input_audio + r.input_image
               + r.cache_read_audio + r.unreported_input) AS input,
           sum(r.output + r.reasoning + r.output_audio + r.output_image + r.unreported_output) AS output,
           sum(r.calls) AS requests
    FROM aikit.pruned_rollups r JOIN shapes s ON s.tenant = r.tenant
    GROUP BY 1, 2, 3
), spending AS (
    SELECT * FROM by_minute UNION ALL SELECT * FROM gone
), slots AS MATERIALIZED (
    SELECT c.*, c.window_start - coalesce(w.length, interval '0') AS start_before,
           coalesce(c.window_start + w.length, 'infinity') AS window_end
    FROM aikit.counts c
    LEFT JOIN (VALUES ('minute', interval '1 minute'), ('hour', interval '1 hour')) w ("window", length) USING ("window")
), spent AS (
    SELECT s.tenant, s.subject, s.name, sum(x.amount) FILTER (WHERE m.minute >= s.window_start) AS used,
           sum(x.amount) FILTER (WHERE m.minute < s.window_start) AS previous
    FROM slots s JOIN spending m ON m.tenant = s.tenant AND m.subject = s.subject
                                 AND m.minute >= s.start_before AND m.minute < s.window_end
    CROSS JOIN LATERAL (SELECT CASE s.metric
        WHEN 'credits' THEN m.credits
        WHEN 'tokens' THEN m.input + m.output
        WHEN 'input_tokens' THEN m.input
        WHEN 'output_tokens' THEN m.output
        WHEN 'requests' THEN m.requests
        ELSE 0 END) x (amount)
    GROUP BY 1, 2, 3
), listed AS (
    SELECT h.*, subject FROM aikit.holds h CROSS JOIN unnest(h.subjects) AS subject
), pending AS (
    SELECT s.tenant, s.subject, s.name, sum(x.amount) FILTER (WHERE h.admitted_at >= s.window_start) AS held,
           sum(x.amount) FILTER (WHERE h.admitted_at < s.window_start) AS previous
    FROM slots s JOIN listed h ON h.tenant = s.tenant AND h.subject = s.subject
                              AND h.admitted_at >= s.start_before AND h.admitted_at < s.window_end
    CROSS JOIN LATERAL (SELECT CASE s.metric
        WHEN 'credits' THEN h.nano
        WHEN 'tokens' THEN h.tokens
        WHEN 'input_tokens' THEN h.tokens - h.output_tokens
        WHEN 'output_tokens' THEN h.output_tokens
        ELSE 1 END) x (amount)
    GROUP BY 1, 2, 3
)
SELECT v.kind, c.tenant, concat_ws(' of ', c.name, nullif(replace(c.subject, E'\x1f', ', '), '')) || ': ' || v.side,
       v.expected, v.found, c.metric = 'credits' AND v.kind <> 'counter_negative'
FROM slots c
LEFT JOIN spent s USING (tenant, subject, name)
LEFT JOIN pending p USING (tenant, subject, name)
CROSS JOIN LATERAL (VALUES
    ('counter_used', 'used', coalesce(s.used, 0), c.used),
    ('counter_held', 'held', coalesce(p.held, 0), c.held),
    ('counter_previous', 'previous', coalesce(s.previous, 0) + coalesce(p.previous, 0), c.previous),
    ('counter_negative', 'used', 0, least(c.used, 0)),
    ('counter_negative', 'held', 0, least(c.held, 0)),
    ('counter_negative', 'previous', 0, least(c.previous, 0))
) AS v (kind, side, expected, found)
WHERE v.expected <> v.found
  AND NOT EXISTS (
      SELECT FROM gone g, LATERAL (VALUES (c.start_before), (c.window_start), (c.window_end)) b (edge)
      WHERE g.tenant = c.tenant AND g.subject = c.subject AND v.kind <> 'counter_negative'
        AND g.hour < b.edge AND b.edge < g.hour + interval '1 hour')
ORDER BY 2, 3, 1
