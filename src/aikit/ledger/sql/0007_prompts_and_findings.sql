-- Which prompt a call was made with, and what guards found in it: on holds, entries and refusals, and so on decisions.

-- secret: the key of the hashes that findings are told by; made once, the database's own --
ALTER TABLE aikit.state ADD COLUMN secret bytea NOT NULL
    DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

-- findings: a list of objects {guard, kind, place, action, at, hash, times}; null: there are none --
ALTER TABLE aikit.holds ADD COLUMN prompt text, ADD COLUMN prompt_hash text, ADD COLUMN findings jsonb;
ALTER TABLE aikit.entries ADD COLUMN prompt text, ADD COLUMN prompt_hash text, ADD COLUMN findings jsonb;
ALTER TABLE aikit.refusals ADD COLUMN prompt text, ADD COLUMN prompt_hash text, ADD COLUMN findings jsonb;
CREATE INDEX entries_by_prompt ON aikit.entries (prompt, attempt) WHERE prompt IS NOT NULL;
CREATE INDEX entries_found ON aikit.entries (tenant, attempt) WHERE findings IS NOT NULL;
CREATE INDEX refusals_found ON aikit.refusals (tenant, attempt) WHERE findings IS NOT NULL;

-- rollups: by prompt, too --
DROP FUNCTION aikit.post;
ALTER TABLE aikit.rollups ADD COLUMN prompt text NOT NULL DEFAULT '';
ALTER TABLE aikit.rollups DROP CONSTRAINT rollups_pkey;
ALTER TABLE aikit.rollups ADD PRIMARY KEY (tenant, hour, environment, user_id, feature, provider, model, prompt);
ALTER TABLE aikit.pruned_rollups ADD COLUMN prompt text NOT NULL DEFAULT '';
ALTER TABLE aikit.pruned_rollups DROP CONSTRAINT pruned_rollups_pkey;
ALTER TABLE aikit.pruned_rollups
    ADD PRIMARY KEY (tenant, hour, environment, user_id, feature, provider, model, prompt, part, seq);

DROP VIEW aikit.summands;
-- summands: what each entry and each refusal adds to which rollup --
CREATE VIEW aikit.summands AS
    SELECT attempt, tenant, date_trunc('hour', admitted_at, 'UTC') AS hour, environment,
           coalesce(user_id, '') AS user_id, coalesce(feature, '') AS feature, provider, model,
           coalesce(prompt, '') AS prompt,
           (seq = 0)::int AS calls, 0 AS refused, (seq = 0 AND ending = 'voided')::int AS failed,
           (seq = 0 AND estimated)::int AS estimated, (seq = 0 AND price_id IS NULL)::int AS unpriced, nano,
           coalesce(input, 0) AS input, coalesce(cache_read, 0) AS cache_read,
           coalesce(cache_write_5m, 0) AS cache_write_5m, coalesce(cache_write_1h, 0) AS cache_write_1h,
           coalesce(input_audio, 0) AS input_audio, coalesce(input_image, 0) AS input_image,
           coalesce(cache_read_audio, 0) AS cache_read_audio, coalesce(output, 0) AS output,
           coalesce(reasoning, 0) AS reasoning, coalesce(output_audio, 0) AS output_audio,
           coalesce(output_image, 0) AS output_image, coalesce(searches, 0) AS searches,
           CASE WHEN input IS NULL AND nano > 0 AND seq = 0 THEN held_tokens - held_output ELSE 0 END
               AS unreported_input,
           CASE WHEN output IS NULL AND nano > 0 AND seq = 0 THEN held_output ELSE 0 END AS unreported_output
    FROM aikit.entries
    UNION ALL
    SELECT attempt, tenant, date_trunc('hour', refused_at, 'UTC'), environment, coalesce(user_id, ''),
           coalesce(feature, ''), provider, model, coalesce(prompt, ''), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
           0, 0, 0, 0, 0
    FROM aikit.refusals;

-- decisions: every decision, wherever its attempt stands now --
CREATE OR REPLACE VIEW aikit.decisions AS
    SELECT tenant, attempt AS decision_id, call, true AS allowed, reason_code, would_refuse, limits, policy_version,
           price_id, held_nano AS nano, admitted_at AS decided_at, prompt, prompt_hash, findings
    FROM aikit.entries WHERE seq = 0
    UNION ALL
    SELECT tenant, attempt, call, true, reason_code, would_refuse, limits, policy_version, price_id, nano, admitted_at,
           prompt, prompt_hash, findings
    FROM aikit.holds
    UNION ALL
    SELECT tenant, attempt, call, false, reason_code, NULL, limits, policy_version, price_id, nano, refused_at,
           prompt, prompt_hash, findings
    FROM aikit.refusals;

-- the rows that a process posts --
ALTER TYPE aikit.new_hold ADD ATTRIBUTE prompt text, ADD ATTRIBUTE prompt_hash text, ADD ATTRIBUTE findings jsonb;
ALTER TYPE aikit.ending ADD ATTRIBUTE found jsonb;
ALTER TYPE aikit.refusal ADD ATTRIBUTE prompt text, ADD ATTRIBUTE prompt_hash text, ADD ATTRIBUTE findings jsonb;

-- post: one batch, all or nothing, under a decision that was made on what the process last saw --
-- Answers 'ok', or what has to be read again before the batch can be decided: 'policy', 'breakers' or 'clock'.
-- A hold that is not as its process knew it raises AK001, a counter AK002, an idempotency key that is taken AK003,
-- a breaker AK004; each undoes the batch. A key is free if it has expired, or if its attempt was voided and the request is the same.
-- The changes come sorted, and sorted they are locked: tenants and subjects collate alike here and in the process.
CREATE FUNCTION aikit.post(
    seen_policy bigint,
    not_before timestamptz,
    not_after timestamptz,
    hold_seconds integer,
    changes aikit.counter_change[],
    new_holds aikit.new_hold[],
    endings aikit.ending[],
    refused aikit.refusal[],
    summed aikit.rollups[],
    extended aikit.extension[],
    claims aikit.claim[],
    answers aikit.answer[],
    seen_breakers bigint,
    tried aikit.breaker_change[],
    OUT outcome text,
    OUT at timestamptz,
    OUT policy bigint,
    OUT breakers bigint
) LANGUAGE plpgsql AS $$
DECLARE
    matched integer;
BEGIN
    at := now();
    IF NOT pg_try_advisory_xact_lock_shared(7206071, 1) THEN  -- without the overhead of a statement
        PERFORM pg_advisory_xact_lock_shared(7206071, 1);
    END IF;
    SELECT policy_version, breaker_version INTO policy, breakers FROM aikit.state;
    IF policy <> seen_policy THEN outcome := 'policy'; RETURN; END IF;
    IF breakers <> seen_breakers AND (new_holds IS NOT NULL OR refused IS NOT NULL) THEN
        outcome := 'breakers'; RETURN;
    END IF;
    IF at < not_before OR at >= not_after THEN outcome := 'clock'; RETURN; END IF;

    IF changes IS NOT NULL THEN
        UPDATE aikit.counters c SET amounts = x.amounts, revision = c.revision + 1
        FROM unnest(changes) x
        WHERE c.tenant = x.tenant AND c.subject = x.subject AND c.revision = x.seen;
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched <> cardinality(changes) THEN
            RAISE EXCEPTION 'a counter is not as its process knew it' USING ERRCODE = 'AK002';
        END IF;
    END IF;

    IF endings IS NOT NULL THEN
        WITH gone AS (
            DELETE FROM aikit.holds h USING unnest(endings) e
            WHERE h.tenant = e.tenant AND h.attempt = e.attempt AND h.generation = e.generation
            RETURNING h.call, h.user_id, h.feature, h.environment, h.provider, h.model, h.api, h.stream,
                      coalesce(e.other_price, h.price_id) AS price_id, h.nano AS held_nano, h.tokens AS held_tokens,
                      h.output_tokens AS held_output, h.presumed, h.limits, h.reason_code, h.would_refuse, h.request,
                      h.policy_version, h.admitted_at, h.prompt, h.prompt_hash,
                      CASE WHEN e.found IS NULL THEN h.findings WHEN h.findings IS NULL THEN e.found
                           ELSE h.findings || e.found END AS findings, e.*
        )
        INSERT INTO aikit.entries (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, held_tokens, held_output, presumed, limits, reason_code,
            would_refuse, request, policy_version, admitted_at, prompt, prompt_hash, findings)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, held_tokens, held_output, presumed, limits, reason_code,
            would_refuse, request, policy_version, admitted_at, prompt, prompt_hash, findings
        FROM gone;
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched <> cardinality(endings) THEN
            RAISE EXCEPTION 'a hold is not as its process knew it' USING ERRCODE = 'AK001';
        END IF;
    END IF;

    IF new_holds IS NOT NULL THEN
        INSERT INTO aikit.holds (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano,
            tokens, output_tokens, presumed, request, subjects, limits, reason_code, would_refuse, policy_version,
            admitted_at, expires_at, prompt, prompt_hash, findings)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano,
            tokens, output_tokens, presumed, request,
            CASE subjects WHEN '' THEN '{""}' ELSE coalesce(string_to_array(subjects, E'\x1e'), '{}') END,
            limits, reason_code, would_refuse, policy, at, at + make_interval(secs => hold_seconds), prompt,
            prompt_hash, findings
        FROM unnest(new_holds);
    END IF;

    IF tried IS NOT NULL THEN
        INSERT INTO aikit.breaker_moves (at, provider, model, was, state, reason)
        SELECT at, b.provider, b.model, b.state, x.state, 'probe'
        FROM unnest(tried) x JOIN aikit.breakers b ON b.provider = x.provider AND b.model = x.model
        WHERE b.state <> x.state;
        UPDATE aikit.breakers b
        SET state = x.state, since = x.since, until = x.until, successes = x.successes, probes = x.probes,
            leases = x.leases, revision = b.revision + 1
        FROM unnest(tried) x
        WHERE b.provider = x.provider AND b.model = x.model AND b.revision = x.seen;
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched <> cardinality(tried) THEN
            RAISE EXCEPTION 'a breaker is not as its process knew it' USING ERRCODE = 'AK004';
        END IF;
        UPDATE aikit.state SET breaker_version = breaker_version + 1 RETURNING breaker_version INTO breakers;
    END IF;

    IF extended IS NOT NULL THEN
        UPDATE aikit.holds h
        SET nano = x.nano, tokens = x.tokens, output_tokens = x.output_tokens, generation = h.generation + 1,
            expires_at = at + make_interval(secs => hold_seconds)
        FROM unnest(extended) x
        WHERE h.tenant = x.tenant AND h.attempt = x.attempt AND h.generation = x.generation;
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched <> cardinality(extended) THEN
            RAISE EXCEPTION 'a hold is not as its process knew it' USING ERRCODE = 'AK001';
        END IF;
    END IF;

    IF claims IS NOT NULL THEN
        INSERT INTO aikit.idempotency_keys AS k (tenant, key, attempt, request_hash, expires_at)
        SELECT tenant, key, attempt, request_hash, at + interval '24 hours' FROM unnest(claims)
        ON CONFLICT (tenant, key) DO UPDATE
        SET attempt = excluded.attempt, request_hash = excluded.request_hash, expires_at = excluded.expires_at,
            status = NULL, media_type = NULL, body = NULL
        WHERE k.expires_at <= at
           OR k.request_hash = excluded.request_hash
              AND EXISTS (SELECT FROM aikit.entries e WHERE e.tenant = k.tenant AND e.attempt = k.attempt
                          AND e.seq = 0 AND e.ending = 'voided');
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched <> cardinality(claims) THEN
            RAISE EXCEPTION 'an idempotency key is taken' USING ERRCODE = 'AK003';
        END IF;
    END IF;

    IF answers IS NOT NULL THEN
        UPDATE aikit.idempotency_keys k SET status = x.status, media_type = x.media_type, body = x.body
        FROM unnest(answers) x
        WHERE k.tenant = x.tenant AND k.key = x.key AND k.attempt = x.attempt;
    END IF;

    IF refused IS NOT NULL THEN
        INSERT INTO aikit.refusals (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, price_id, nano, tokens,
            reason_code, limits, policy_version, refused_at, request, source, prompt, prompt_hash, findings)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, price_id, nano, tokens,
            reason_code, limits, policy_version, refused_at, request, source, prompt, prompt_hash, findings
        FROM unnest(refused);
    END IF;

    IF summed IS NOT NULL THEN
        INSERT INTO aikit.rollups AS r SELECT * FROM unnest(summed)
        ON CONFLICT (tenant, hour, environment, user_id, feature, provider, model, prompt) DO UPDATE SET
            calls = r.calls + excluded.calls, refused = r.refused + excluded.refused,
            failed = r.failed + excluded.failed, estimated = r.estimated + excluded.estimated,
            unpriced = r.unpriced + excluded.unpriced, nano = r.nano + excluded.nano,
            input = r.input + excluded.input, cache_read = r.cache_read + excluded.cache_read,
            cache_write_5m = r.cache_write_5m + excluded.cache_write_5m,
            cache_write_1h = r.cache_write_1h + excluded.cache_write_1h,
            input_audio = r.input_audio + excluded.input_audio, input_image = r.input_image + excluded.input_image,
            cache_read_audio = r.cache_read_audio + excluded.cache_read_audio,
            output = r.output + excluded.output, reasoning = r.reasoning + excluded.reasoning,
            output_audio = r.output_audio + excluded.output_audio, output_image = r.output_image + excluded.output_image,
            searches = r.searches + excluded.searches,
            unreported_input = r.unreported_input + excluded.unreported_input,
            unreported_output = r.unreported_output + excluded.unreported_output;
    END IF;

    outcome := 'ok';
END $$;
