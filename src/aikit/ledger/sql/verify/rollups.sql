-- Every rollup against the entries and refusals of its hour, and what was pruned of it, column by column; a row that only
-- one side has is one line.
WITH attempts AS (
    SELECT tenant, hour, environment, user_id, feature, provider, model, prompt, calls, refused, failed, estimated, unpriced, nano,
           input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio,
           output, reasoning, output_audio, output_image, searches, unreported_input, unreported_output
    FROM aikit.summands
    UNION ALL
    SELECT tenant, hour, environment, user_id, feature, provider, model, prompt, calls, refused, failed, estimated, unpriced, nano,
           input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio,
           output, reasoning, output_audio, output_image, searches, unreported_input, unreported_output
    FROM aikit.pruned_rollups
), expected AS (
    SELECT tenant, hour, environment, user_id, feature, provider, model, prompt,
           sum(calls) AS calls, sum(refused) AS refused, sum(failed) AS failed, sum(estimated) AS estimated,
           sum(unpriced) AS unpriced, sum(nano) AS nano, sum(input) AS input, sum(cache_read) AS cache_read,
           sum(cache_write_5m) AS cache_write_5m, sum(cache_write_1h) AS cache_write_1h,
           sum(input_audio) AS input_audio, sum(input_image) AS input_image,
           sum(cache_read_audio) AS cache_read_audio, sum(output) AS output, sum(reasoning) AS reasoning,
           sum(output_audio) AS output_audio, sum(output_image) AS output_image, sum(searches) AS searches,
           sum(unreported_input) AS unreported_input, sum(unreported_output) AS unreported_output
    FROM attempts
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
)
SELECT CASE WHEN r.calls IS NULL THEN 'rollup_missing' WHEN e.calls IS NULL THEN 'rollup_surplus' ELSE 'rollup' END,
       tenant,
       concat_ws('/', to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), environment, nullif(user_id, ''),
                 nullif(feature, ''), provider, model, nullif(prompt, '')) || ': ' || v.name,
       v.expected, v.found, v.name = 'nano'
FROM expected e
FULL JOIN aikit.rollups r USING (tenant, hour, environment, user_id, feature, provider, model, prompt)
CROSS JOIN LATERAL (VALUES
    ('calls', e.calls, r.calls),
    ('refused', e.refused, r.refused),
    ('failed', e.failed, r.failed),
    ('estimated', e.estimated, r.estimated),
    ('unpriced', e.unpriced, r.unpriced),
    ('nano', e.nano, r.nano),
    ('input', e.input, r.input),
    ('cache_read', e.cache_read, r.cache_read),
    ('cache_write_5m', e.cache_write_5m, r.cache_write_5m),
    ('cache_write_1h', e.cache_write_1h, r.cache_write_1h),
    ('input_audio', e.input_audio, r.input_audio),
    ('input_image', e.input_image, r.input_image),
    ('cache_read_audio', e.cache_read_audio, r.cache_read_audio),
    ('output', e.output, r.output),
    ('reasoning', e.reasoning, r.reasoning),
    ('output_audio', e.output_audio, r.output_audio),
    ('output_image', e.output_image, r.output_image),
    ('searches', e.searches, r.searches),
    ('unreported_input', e.unreported_input, r.unreported_input),
    ('unreported_output', e.unreported_output, r.unreported_output)
) AS v (name, expected, found)
WHERE CASE WHEN e.calls IS NULL OR r.calls IS NULL THEN v.name = 'nano' ELSE v.expected <> v.found END
ORDER BY 2, 3
