-- The ledger: entries are the truth, counters and rollups are projections of them, holds are money in flight.
-- Every key of a tenant's data starts with the tenant, so the schema can be distributed by tenant unchanged.
-- Amounts are nano-USD (1e-9 $). The schema `aikit` itself is made before the first migration.

-- state: one row for the whole database --
CREATE TABLE aikit.state (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    nano_per_credit bigint NOT NULL DEFAULT 100000 CHECK (nano_per_credit > 0),
    policy_version bigint NOT NULL DEFAULT 1
);
INSERT INTO aikit.state DEFAULT VALUES;

-- tenants and their limits --
CREATE TABLE aikit.tenants (
    tenant text PRIMARY KEY,
    uncapped boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE aikit.limits (
    tenant text NOT NULL,
    metric text NOT NULL CHECK (metric IN ('credits', 'tokens', 'requests', 'concurrency')),
    "window" text NOT NULL CHECK ("window" IN ('call', 'minute', 'hour', 'day', 'week', 'month', 'total')),
    cap bigint NOT NULL CHECK (cap >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, metric, "window")
);

-- prices: each price that was ever charged, with its source, version and rates, so that a bill can be recomputed --
CREATE TABLE aikit.prices (
    price_id text PRIMARY KEY,
    provider text NOT NULL,
    model text NOT NULL,
    source text NOT NULL,
    version text NOT NULL,
    body jsonb NOT NULL,
    first_used_at timestamptz NOT NULL DEFAULT now()
);

-- counters: used and held of one limit in one window; `key` names both --
CREATE TABLE aikit.counters (
    tenant text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    metric text NOT NULL,
    "window" text NOT NULL,
    window_start timestamptz NOT NULL,
    used bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, key)
) WITH (fillfactor = 50);

-- holds: the reserved upper bound of each attempt that has no ending yet --
-- `generation` rises when a new counter is opened over a hold, so that its process learns of it on settling.
CREATE TABLE aikit.holds (
    tenant text NOT NULL,
    attempt uuid NOT NULL,
    call uuid NOT NULL,
    user_id text,
    feature text,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    api text NOT NULL,
    stream boolean NOT NULL,
    price_id text,
    nano bigint NOT NULL CHECK (nano >= 0),
    tokens bigint NOT NULL CHECK (tokens >= 0),
    counters text[] NOT NULL,
    generation smallint NOT NULL DEFAULT 0,
    limits json NOT NULL,
    policy_version bigint NOT NULL,
    admitted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, attempt)
) WITH (fillfactor = 70);

-- entries: the ledger, one immutable line per ending; seq 0 is the ending itself, later ones correct it --
-- An attempt's id is a UUIDv7, so the primary key is also the index by time.
CREATE TABLE aikit.entries (
    tenant text NOT NULL,
    attempt uuid NOT NULL,
    seq smallint NOT NULL DEFAULT 0,
    call uuid NOT NULL,
    user_id text,
    feature text,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    api text NOT NULL,
    stream boolean NOT NULL,
    price_id text,
    ending text NOT NULL CHECK (ending IN ('settled', 'voided', 'presumed_spent')),
    estimated boolean NOT NULL,
    nano bigint NOT NULL,
    input bigint,
    cache_read bigint,
    cache_write_5m bigint,
    cache_write_1h bigint,
    input_audio bigint,
    input_image bigint,
    cache_read_audio bigint,
    output bigint,
    reasoning bigint,
    output_audio bigint,
    output_image bigint,
    searches bigint,
    status smallint,
    error text,
    served_model text,
    duration_ms integer,
    first_byte_ms integer,
    held_nano bigint NOT NULL,
    limits json NOT NULL,
    policy_version bigint NOT NULL,
    admitted_at timestamptz NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, attempt, seq)
);

-- refusals: attempts that were not sent --
CREATE TABLE aikit.refusals (
    tenant text NOT NULL,
    attempt uuid NOT NULL,
    call uuid NOT NULL,
    user_id text,
    feature text,
    environment text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    api text NOT NULL,
    price_id text,
    nano bigint,
    tokens bigint,
    reason_code text NOT NULL,
    limits json NOT NULL,
    policy_version bigint,
    refused_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, attempt)
);

-- decisions: every decision, wherever its attempt stands now --
CREATE VIEW aikit.decisions AS
    SELECT tenant, attempt AS decision_id, call, true AS allowed, 'ALLOWED' AS reason_code, limits, policy_version,
           price_id, held_nano AS nano, admitted_at AS decided_at
    FROM aikit.entries WHERE seq = 0
    UNION ALL
    SELECT tenant, attempt, call, true, 'ALLOWED', limits, policy_version, price_id, nano, admitted_at
    FROM aikit.holds
    UNION ALL
    SELECT tenant, attempt, call, false, reason_code, limits, policy_version, price_id, nano, refused_at
    FROM aikit.refusals;

-- rollups: sums of entries and refusals by the hour of the decision; '' stands for no user or feature --
CREATE TABLE aikit.rollups (
    tenant text NOT NULL,
    hour timestamptz NOT NULL,
    environment text NOT NULL,
    user_id text NOT NULL,
    feature text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    calls bigint NOT NULL,
    refused bigint NOT NULL,
    failed bigint NOT NULL,
    estimated bigint NOT NULL,
    unpriced bigint NOT NULL,
    nano bigint NOT NULL,
    input bigint NOT NULL,
    cache_read bigint NOT NULL,
    cache_write_5m bigint NOT NULL,
    cache_write_1h bigint NOT NULL,
    input_audio bigint NOT NULL,
    input_image bigint NOT NULL,
    cache_read_audio bigint NOT NULL,
    output bigint NOT NULL,
    reasoning bigint NOT NULL,
    output_audio bigint NOT NULL,
    output_image bigint NOT NULL,
    searches bigint NOT NULL,
    PRIMARY KEY (tenant, hour, environment, user_id, feature, provider, model)
) WITH (fillfactor = 50);
CREATE INDEX rollups_by_hour ON aikit.rollups (hour);

-- append-only: what was written stays as it was written --
CREATE FUNCTION aikit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'aikit.% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Post a correcting entry instead.';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.entries FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.entries EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.refusals FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.refusals EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.prices FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.prices EXECUTE FUNCTION aikit.refuse_change();

CREATE FUNCTION aikit.refuse_new_unit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a credit was set to % nano-USD when this database was set up and never changes',
        OLD.nano_per_credit USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER credit_is_fixed BEFORE UPDATE OF nano_per_credit ON aikit.state FOR EACH ROW
    WHEN (OLD.nano_per_credit IS DISTINCT FROM NEW.nano_per_credit) EXECUTE FUNCTION aikit.refuse_new_unit();

-- the rows that a process posts --
CREATE TYPE aikit.counter_change AS (
    tenant text, key text, was_used bigint, was_held bigint, used bigint, held bigint
);
CREATE TYPE aikit.new_hold AS (
    tenant text, attempt uuid, call uuid, user_id text, feature text, environment text, provider text, model text,
    api text, stream boolean, price_id text, nano bigint, tokens bigint, counters text, limits json
);
CREATE TYPE aikit.ending AS (
    tenant text, attempt uuid, generation smallint, ending text, estimated boolean, nano bigint,
    input bigint, cache_read bigint, cache_write_5m bigint, cache_write_1h bigint, input_audio bigint,
    input_image bigint, cache_read_audio bigint, output bigint, reasoning bigint, output_audio bigint,
    output_image bigint, searches bigint, status smallint, error text, served_model text,
    other_price text, duration_ms integer, first_byte_ms integer
);

-- post: one batch, all or nothing, under a decision that was made on what the process last saw --
-- Answers 'ok', or what has to be read again before the batch can be decided: 'policy' or 'clock'.
-- A hold that is not as its process knew it raises AK001, a counter AK002, and undoes the batch.
-- The changes come sorted, and sorted they are locked: tenants and keys collate alike here and in the process.
CREATE FUNCTION aikit.post(
    seen_policy bigint,
    not_before timestamptz,
    not_after timestamptz,
    hold_seconds integer,
    changes aikit.counter_change[],
    new_holds aikit.new_hold[],
    endings aikit.ending[],
    refused aikit.refusals[],
    summed aikit.rollups[],
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
        UPDATE aikit.counters c SET used = x.used, held = x.held
        FROM unnest(changes) x
        WHERE c.tenant = x.tenant AND c.key = x.key AND c.used = x.was_used AND c.held = x.was_held;
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
                      coalesce(e.other_price, h.price_id) AS price_id, h.nano AS held_nano,
                      h.limits, h.policy_version, h.admitted_at, e.*
        )
        INSERT INTO aikit.entries (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, limits, policy_version, admitted_at)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, limits, policy_version, admitted_at
        FROM gone;
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched <> cardinality(endings) THEN
            RAISE EXCEPTION 'a hold is not as its process knew it' USING ERRCODE = 'AK001';
        END IF;
    END IF;

    IF new_holds IS NOT NULL THEN
        INSERT INTO aikit.holds (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano,
            tokens, counters, limits, policy_version, admitted_at, expires_at)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano,
            tokens, coalesce(string_to_array(counters, E'\x1f'), '{}'), limits, policy, at,
            at + make_interval(secs => hold_seconds)
        FROM unnest(new_holds);
    END IF;

    IF refused IS NOT NULL THEN
        INSERT INTO aikit.refusals (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, price_id, nano, tokens,
            reason_code, limits, policy_version)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, price_id, nano, tokens,
            reason_code, limits, policy
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
            searches = r.searches + excluded.searches;
    END IF;

    outcome := 'ok';
END $$;

-- open_counter: a new counter starts from what the tenant has used and holds in its window --
-- Holds first, then rollups: a settlement that commits in between is seen by exactly one of the two.
CREATE FUNCTION aikit.open_counter(
    p_tenant text, p_key text, p_metric text, p_window text, p_start timestamptz, OUT used bigint, OUT held bigint
) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aikit.counters (tenant, key, metric, "window", window_start)
    VALUES (p_tenant, p_key, p_metric, p_window, p_start) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT c.used, c.held INTO used, held FROM aikit.counters c
        WHERE c.tenant = p_tenant AND c.key = p_key FOR UPDATE;
        RETURN;
    END IF;
    WITH taken AS (
        UPDATE aikit.holds h SET counters = h.counters || p_key, generation = h.generation + 1
        WHERE h.tenant = p_tenant AND h.admitted_at >= p_start AND NOT p_key = ANY (h.counters)
        RETURNING h.nano, h.tokens
    )
    SELECT coalesce(sum(CASE p_metric WHEN 'credits' THEN t.nano WHEN 'tokens' THEN t.tokens ELSE 1 END), 0)
    INTO held FROM taken t;
    SELECT coalesce(sum(CASE p_metric
               WHEN 'credits' THEN r.nano
               WHEN 'tokens' THEN r.input + r.cache_read + r.cache_write_5m + r.cache_write_1h + r.input_audio
                                  + r.input_image + r.cache_read_audio + r.output + r.reasoning + r.output_audio
                                  + r.output_image
               WHEN 'requests' THEN r.calls
               ELSE 0 END), 0)
    INTO used FROM aikit.rollups r WHERE r.tenant = p_tenant AND r.hour >= p_start;
    UPDATE aikit.counters c SET used = open_counter.used, held = open_counter.held
    WHERE c.tenant = p_tenant AND c.key = p_key;
END $$;
