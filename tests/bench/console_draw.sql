-- Attempts of some hours, in the order of their time, drawn by hashes of where they stand: the same every time.
-- An hour's calls come in conversations of four or so: one user of one tenant, with one feature on one model.

-- attempts --
CREATE FUNCTION seeding.attempts(
    p_hour timestamptz, p_length interval, p_count integer, p_salt integer, p_week integer
) RETURNS TABLE (
    tenant text, attempt uuid, call uuid, at timestamptz, user_id text, feature text, environment text, model smallint,
    prompt text, prompt_hash text, fate integer, chance integer, input bigint, cached bigint, written bigint,
    output bigint, reasoning bigint, first_byte_ms integer, duration_ms integer
) LANGUAGE sql STABLE AS $$
    WITH placed AS (
        SELECT i, hashint8extended(place, 1) AS a, hashint8extended(place, 2) AS b, hashint8extended(place, 3) AS c,
               hashint8extended(place, 4) AS d
        FROM (SELECT i, (extract(epoch FROM p_hour)::bigint << 26) + (p_salt::bigint << 24) + i AS place
              FROM generate_series(1, p_count) i) x
        OFFSET 0
    ), talking AS (
        SELECT *, hashint8extended((extract(epoch FROM p_hour)::bigint << 24)
                                   + (((d >> 22) & 1048575) * greatest(1, p_count / 4) >> 20), 7) AS talk,
               p_hour + p_length * ((i - 1 + (d & 1048575) / 1048576.0::float8) / p_count) AS at
        FROM placed OFFSET 0
    ), named AS (
        SELECT *, floor(power(2001, (talk & 1048575) / 1048576.0::float8))::int AS tenant_no,
               1 + floor(6 * power(((talk >> 20) & 1023) / 1024.0::float8, 2))::int AS user_no,
               CASE WHEN (talk >> 30) & 1023 < 460 THEN 1 WHEN (talk >> 30) & 1023 < 720 THEN 2
                    WHEN (talk >> 30) & 1023 < 920 THEN 3 ELSE 4 END AS feature_no
        FROM talking OFFSET 0
    ), asked AS (
        SELECT *, exp(0.7 * 1.732 * (((a & 65535) + ((a >> 16) & 65535) + ((a >> 32) & 65535) + ((a >> 48) & 65535))
                                    / 65536.0::float8 - 2)) AS more_input,
               exp(0.6 * 1.732 * (((b & 65535) + ((b >> 16) & 65535) + ((b >> 32) & 65535) + ((b >> 48) & 65535))
                                    / 65536.0::float8 - 2)) AS more_output,
               exp(0.35 * 1.732 * (((c & 65535) + ((c >> 16) & 65535) + ((c >> 32) & 65535) + ((c >> 48) & 65535))
                                     / 65536.0::float8 - 2)) AS slower
        FROM named, LATERAL (
            SELECT f.models[1 + (tenant_no * 7 + feature_no + (CASE WHEN (talk >> 40) & 127 < 19 THEN 1 ELSE 0 END)) % 3]
                   AS model_no, f.name AS feature, f.prompt AS prompt_name, f.input AS usual_input, f.output AS usual_output
            FROM seeding.features f WHERE f.place = feature_no) m
        OFFSET 0
    ), used AS (
        SELECT *, greatest(20, (usual_input * more_input)::bigint) AS read_in_all,
               greatest(1, (usual_output * more_output)::bigint) AS answered,
               least(6, p_week + CASE WHEN (talk >> 52) & 7 = 0 THEN 1 ELSE 0 END) AS version,
               (d >> 42) & 3 = 0 AND feature_no IN (1, 4) AS is_cached, model_no BETWEEN 5 AND 7 AS writes,
               model_no IN (1, 2, 10) AS reasons
        FROM asked OFFSET 0
    )
    SELECT 'tenant-' || lpad(tenant_no::text, 4, '0'),
           (time_part || '7' || lpad(to_hex((d >> 8) & 4095), 3, '0')
            || to_hex(a & 4611686018427387903 | (-9223372036854775808)))::uuid,
           (time_part || '7' || lpad(to_hex((c >> 8) & 4095), 3, '0')
            || to_hex(b & 4611686018427387903 | (-9223372036854775808)))::uuid,
           at, 'user-' || user_no, feature, CASE WHEN (talk >> 47) & 31 = 0 THEN 'staging' ELSE 'prod' END, model_no,
           prompt_name || '@v' || version, (SELECT v.sha256 FROM seeding.versions v
                                            WHERE v.name = prompt_name AND v.version = used.version),
           ((d >> 43) & 1048575)::int, ((c >> 12) & 1048575)::int,
           read_in_all - CASE WHEN is_cached THEN read_in_all / 2 ELSE 0 END
                       - CASE WHEN is_cached AND writes THEN read_in_all / 10 ELSE 0 END,
           CASE WHEN is_cached THEN read_in_all / 2 ELSE 0 END,
           CASE WHEN is_cached AND writes THEN read_in_all / 10 ELSE 0 END,
           answered, CASE WHEN reasons THEN answered * 7 / 10 ELSE 0 END, (250 * slower)::int,
           (300 * slower + answered * 8 * slower)::int
    FROM used, LATERAL (SELECT lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') AS time_part) t
$$;

-- entries --
CREATE FUNCTION seeding.fill_entries(
    p_hour timestamptz, p_length interval, p_count integer, p_week integer
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO aikit.entries (
        tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending, estimated,
        nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio, output,
        reasoning, output_audio, output_image, searches, status, error, served_model, duration_ms, first_byte_ms,
        held_nano, limits, policy_version, admitted_at, settled_at, held_tokens, held_output, reason_code, would_refuse,
        request, presumed, prompt, prompt_hash, findings)
    SELECT tenant, attempt, call, user_id, feature, environment, m.provider, m.name, m.api, streams, m.price_id, ending,
           ending = 'presumed_spent' OR fate BETWEEN 12583 AND 23068,
           CASE ending WHEN 'voided' THEN 0 WHEN 'presumed_spent' THEN held_nano
                ELSE x.input * m.input + cached * m.cache_read + written * m.cache_write
                     + (x.output + x.reasoning) * m.output END,
           CASE WHEN known THEN x.input END, CASE WHEN known THEN cached END, CASE WHEN known THEN written END,
           nothing, nothing, nothing, nothing, CASE WHEN known THEN x.output END,
           CASE WHEN known THEN x.reasoning END, nothing, nothing, nothing,
           CASE ending WHEN 'settled' THEN 200 WHEN 'voided' THEN (ARRAY[429, 429, 500, 503])[1 + chance % 4] END,
           CASE ending WHEN 'voided' THEN (ARRAY['rate_limit_exceeded', 'rate_limit_exceeded', 'server_error',
                                                 'overloaded'])[1 + chance % 4]
                       WHEN 'presumed_spent' THEN 'ReadTimeout' END,
           CASE WHEN known AND chance % 8 = 0 THEN m.name || '-2026-09-01' END, duration_ms,
           CASE WHEN streams THEN x.first_byte_ms END, held_nano,
           ('[["credits","day","tenant:' || tenant || '",' || chance * 900000::bigint || ',' || chance * 300000::bigint
            || ',0],["credits","month","tenant:' || tenant || '",' || chance * 27000000::bigint || ','
            || chance * 12000000::bigint || ',0],["requests","hour","tenant:' || tenant || '",20000,'
            || chance % 9000 || ',2],["requests","minute","tenant:' || tenant
            || '",10000,null,"block","user=' || user_id || '",' || extract(epoch FROM at)::bigint / 60 * 60 + 60 || ','
            || chance % 11 || ',1,3]]')::json,
           2, at, at + duration_ms * interval '1 millisecond', held_tokens, 4096,
           CASE WHEN chance % 33 = 0 THEN 'ALLOWED_SOFT_CAP' ELSE 'ALLOWED' END,
           CASE WHEN chance % 331 = 0 THEN 'HOURLY_REQUEST_LIMIT_EXCEEDED' END,
           ('[' || held_tokens - 4096 || ',4096,1,1,' || held_tokens * 3 || ',[1,[' || held_nano - 4096 * m.output || ','
            || m.output || ']]]')::json,
           NULL, prompt, prompt_hash,
           CASE WHEN chance % 199 = 0 THEN '[{"at": "messages[0].content", "hash": "5d41402abc4b2a76", "kind": "email",
               "guard": "pii", "place": "input", "times": 1, "action": "flag"}]'::jsonb END
    FROM (SELECT *, CASE WHEN known THEN 0 END AS nothing, greatest(m_input, m_written) * (held_tokens - 4096)
                    + 4096 * m_output AS held_nano
          FROM (SELECT a.*, m.input AS m_input, m.cache_write AS m_written, m.output AS m_output,
                       (a.input + cached + written) * 5 / 4 + 4096 AS held_tokens, feature IN ('chat', 'agent') AS streams,
                       CASE WHEN fate < 10486 THEN 'voided' WHEN fate < 12583 THEN 'presumed_spent'
                            ELSE 'settled' END AS ending, fate >= 12583 AS known
                FROM seeding.attempts(p_hour, p_length, p_count, 0, p_week) a
                JOIN seeding.models m ON m.place = a.model OFFSET 0) y OFFSET 0) x
    JOIN seeding.models m ON m.place = x.model
$$;

-- refusals --
CREATE FUNCTION seeding.fill_refusals(
    p_hour timestamptz, p_length interval, p_count integer, p_week integer
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO aikit.refusals (
        tenant, attempt, call, user_id, feature, environment, provider, model, api, price_id, nano, tokens, reason_code,
        limits, policy_version, refused_at, request, source, prompt, prompt_hash)
    SELECT a.tenant, attempt, call, user_id, feature, environment, m.provider, m.name, m.api, m.price_id,
           a.input * m.input + 4096 * m.output, a.input + 4096, code,
           ('[["credits","day","tenant:' || a.tenant || '",900000000,' || 890000000 + chance || ',0]]')::json, 2, at,
           ('[' || a.input || ',4096,1,1,' || a.input * 4 || ',[1,[' || a.input * m.input || ',' || m.output || ']]]')::json,
           CASE code WHEN 'MODEL_NOT_ALLOWED' THEN 'tenant:' || a.tenant END, prompt, prompt_hash
    FROM seeding.attempts(p_hour, p_length, p_count, 1, p_week) a
    JOIN seeding.models m ON m.place = a.model
    CROSS JOIN LATERAL (SELECT (ARRAY['DAILY_BUDGET_EXCEEDED', 'DAILY_BUDGET_EXCEEDED', 'HOURLY_REQUEST_LIMIT_EXCEEDED',
        'MINUTE_REQUEST_LIMIT_EXCEEDED', 'MODEL_NOT_ALLOWED', 'BREAKER_OPEN'])[1 + chance % 6]) c (code)
$$;

-- rollups --
CREATE FUNCTION seeding.fill_rollups(p_since timestamptz, p_until timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO aikit.rollups (
        tenant, hour, environment, user_id, feature, provider, model, prompt, calls, refused, failed, estimated,
        unpriced, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio,
        output, reasoning, output_audio, output_image, searches, unreported_input, unreported_output)
    SELECT tenant, hour, environment, user_id, feature, provider, model, prompt, sum(calls), sum(refused), sum(failed),
           sum(estimated), sum(unpriced), sum(nano), sum(input), sum(cache_read), sum(cache_write_5m),
           sum(cache_write_1h), sum(input_audio), sum(input_image), sum(cache_read_audio), sum(output), sum(reasoning),
           sum(output_audio), sum(output_image), sum(searches), sum(unreported_input), sum(unreported_output)
    FROM aikit.summands
    WHERE attempt >= aikit.id_at(p_since) AND attempt < aikit.id_at(p_until)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ORDER BY 2, 1
$$;
