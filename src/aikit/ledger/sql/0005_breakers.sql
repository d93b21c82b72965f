-- Breakers: what is not asked for a while because it fails, shared by all processes, and every move on record.

-- breakers: one row for each provider or model that has failed; those that have none are closed --
-- `model` '' stands for the provider as a whole. A lease is when a probe counts as lost.
CREATE TABLE aikit.breakers (
    provider text NOT NULL,
    model text NOT NULL,
    state text NOT NULL CHECK (state IN ('closed', 'open', 'half_open', 'forced_open', 'forced_closed')),
    since timestamptz NOT NULL,
    until timestamptz,
    reason text,
    trips integer NOT NULL DEFAULT 0,
    successes integer NOT NULL DEFAULT 0,
    probes uuid[] NOT NULL DEFAULT '{}',
    leases timestamptz[] NOT NULL DEFAULT '{}' CHECK (cardinality(leases) = cardinality(probes)),
    revision bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (provider, model)
);
ALTER TABLE aikit.state ADD COLUMN breaker_version bigint NOT NULL DEFAULT 0;

-- breaker moves: from which state to which, since when, why, and by whom if a person did it --
CREATE TABLE aikit.breaker_moves (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    was text NOT NULL,
    state text NOT NULL,
    reason text,
    until timestamptz,
    who text,
    why text
);
CREATE INDEX breaker_moves_by_breaker ON aikit.breaker_moves (provider, model, seq);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.breaker_moves
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.breaker_moves EXECUTE FUNCTION aikit.refuse_change();

-- sightings: what each process has seen of a provider or a model in the last minute --
-- Not in the write-ahead log: after a crash of the server nothing has been seen, and that is all.
CREATE UNLOGGED TABLE aikit.sightings (
    provider text NOT NULL,
    model text NOT NULL,
    process uuid NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (provider, model, process)
) WITH (fillfactor = 50);

CREATE TYPE aikit.breaker_change AS (
    provider text, model text, seen bigint, state text, since timestamptz, until timestamptz, successes integer,
    probes uuid[], leases timestamptz[]
);
DROP FUNCTION aikit.post;

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
