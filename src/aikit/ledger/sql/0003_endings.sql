-- Every ending: leases that grow, what is presumed of a lost attempt, idempotency keys, corrections.

-- what a lost attempt is presumed to have cost; null: all that it holds --
ALTER TABLE aikit.holds ADD COLUMN presumed bigint;
ALTER TABLE aikit.entries ADD COLUMN presumed bigint;

-- idempotency keys: which attempt a key of a tenant stands for, and its answer, encrypted, if answers are kept --
CREATE TABLE aikit.idempotency_keys (
    tenant text NOT NULL,
    key text NOT NULL,
    attempt uuid NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    media_type text,
    body bytea,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_keys_by_expiry ON aikit.idempotency_keys (expires_at);

-- the rows that a process posts --
DROP FUNCTION aikit.post;
DROP TYPE aikit.new_hold;
CREATE TYPE aikit.new_hold AS (
    tenant text, attempt uuid, call uuid, user_id text, feature text, environment text, provider text, model text,
    api text, stream boolean, price_id text, nano bigint, tokens bigint, output_tokens bigint, presumed bigint,
    request json, subjects text, limits json, reason_code text, would_refuse text
);
CREATE TYPE aikit.extension AS (
    tenant text, attempt uuid, generation smallint, nano bigint, tokens bigint, output_tokens bigint
);
CREATE TYPE aikit.claim AS (tenant text, key text, attempt uuid, request_hash bytea);
CREATE TYPE aikit.answer AS (tenant text, key text, attempt uuid, status smallint, media_type text, body bytea);
CREATE TYPE aikit.refusal AS (
    tenant text, attempt uuid, call uuid, user_id text, feature text, environment text, provider text, model text,
    api text, price_id text, nano bigint, tokens bigint, reason_code text, limits json, policy_version bigint,
    refused_at timestamptz, request json, source text
);

-- post: one batch, all or nothing, under a decision that was made on what the process last saw --
-- Answers 'ok', or what has to be read again before the batch can be decided: 'policy' or 'clock'.
-- A hold that is not as its process knew it raises AK001, a counter AK002, an idempotency key that is taken AK003;
-- each undoes the batch. A key is free if it has expired, or if its attempt was voided and the request is the same.
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
    OUT outcome text,
    OUT at timestamptz,
    OUT policy bigint
) LANGUAGE plpgsql AS $$
DECLARE
    matched integer;
BEGIN
    at := now();
    IF NOT pg_try_advisory_xact_lock_shared(7206071, 1) THEN  -- without the overhead of a statement
        PERFORM pg_advisory_xact_lock_shared(7206071, 1);
    END IF;
    SELECT policy_version INTO policy FROM aikit.state;
    IF policy <> seen_policy THEN outcome := 'policy'; RETURN; END IF;
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
                      h.policy_version, h.admitted_at, e.*
        )
        INSERT INTO aikit.entries (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, held_tokens, held_output, presumed, limits, reason_code,
            would_refuse, request, policy_version, admitted_at)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, held_tokens, held_output, presumed, limits, reason_code,
            would_refuse, request, policy_version, admitted_at
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
            admitted_at, expires_at)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano,
            tokens, output_tokens, presumed, request,
            CASE subjects WHEN '' THEN '{""}' ELSE coalesce(string_to_array(subjects, E'\x1e'), '{}') END,
            limits, reason_code, would_refuse, policy, at, at + make_interval(secs => hold_seconds)
        FROM unnest(new_holds);
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
            reason_code, limits, policy_version, refused_at, request, source)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, price_id, nano, tokens,
            reason_code, limits, policy_version, refused_at, request, source
        FROM unnest(refused);
    END IF;

    IF summed IS NOT NULL THEN
        INSERT INTO aikit.rollups AS r SELECT * FROM unnest(summed)
        ON CONFLICT (tenant, hour, environment, user_id, feature, provider, model) DO UPDATE SET
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
