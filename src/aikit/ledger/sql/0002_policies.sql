-- Policies with a history, plans, the audit, and counters by subject that roll from window to window in place.

-- policies: what is stated for a scope; a row is in force from version `since` until before version `until` --
-- A version of all policies is whatever is in force at it, so that any decision can be made again.
CREATE TABLE aikit.policies (
    name text NOT NULL,
    tenant text,  -- of the scope; null: a policy for all tenants
    body jsonb NOT NULL,
    by_hand boolean NOT NULL,  -- set by a command for one scope, not applied from a file
    since bigint NOT NULL,
    until bigint CHECK (until > since),
    PRIMARY KEY (name, since)
);
CREATE UNIQUE INDEX policies_in_force ON aikit.policies (name) WHERE until IS NULL;
CREATE INDEX policies_by_tenant ON aikit.policies (tenant) WHERE until IS NULL;

-- plan holders: who is on which plan; user_id '' is the tenant itself --
CREATE TABLE aikit.plan_holders (
    tenant text NOT NULL,
    user_id text NOT NULL DEFAULT '',
    plan text NOT NULL,
    since bigint NOT NULL,
    until bigint CHECK (until > since),
    PRIMARY KEY (tenant, user_id, since)
);
CREATE UNIQUE INDEX plan_holders_in_force ON aikit.plan_holders (tenant, user_id) WHERE until IS NULL;

-- audit: every change that a person made: who, when, what was before and after, why; each row seals the ones before --
CREATE TABLE aikit.audit (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    tenant text,
    before jsonb,
    after jsonb,
    why text,
    policy_version bigint,  -- the version that the change made, if it made one
    hash text NOT NULL  -- SHA-256 of the hash before and of this row (aikit.ledger.audit)
);
CREATE INDEX audit_by_version ON aikit.audit (policy_version) WHERE policy_version IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.audit FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.audit EXECUTE FUNCTION aikit.refuse_change();
ALTER TABLE aikit.state
    ADD COLUMN audit_seq bigint NOT NULL DEFAULT 0,
    ADD COLUMN audit_hash text NOT NULL DEFAULT '';

-- the limits that there are become policies of their tenants --
INSERT INTO aikit.policies (name, tenant, body, by_hand, since)
SELECT 'tenant:' || t.tenant, t.tenant,
       jsonb_strip_nulls(jsonb_build_object(
           'name', 'tenant:' || t.tenant,
           'scope', jsonb_build_object('tenant', t.tenant),
           'uncapped', CASE WHEN t.uncapped THEN true END,
           'limits', (SELECT jsonb_agg(jsonb_build_object('metric', l.metric, 'window', l."window", 'cap', l.cap)
                                       ORDER BY l.metric, l."window")
                      FROM aikit.limits l WHERE l.tenant = t.tenant))),
       true, s.policy_version
FROM aikit.tenants t CROSS JOIN aikit.state s
WHERE t.uncapped OR EXISTS (SELECT FROM aikit.limits l WHERE l.tenant = t.tenant);
ALTER TABLE aikit.tenants DROP COLUMN uncapped, ADD COLUMN since bigint NOT NULL DEFAULT 0;
DROP TABLE aikit.limits;

-- what a decision was made of, so that it can be made again --
ALTER TABLE aikit.holds
    ADD COLUMN output_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN reason_code text NOT NULL DEFAULT 'ALLOWED',
    ADD COLUMN would_refuse text,
    ADD COLUMN request json;
ALTER TABLE aikit.entries
    ADD COLUMN held_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN held_output bigint NOT NULL DEFAULT 0,
    ADD COLUMN reason_code text NOT NULL DEFAULT 'ALLOWED',
    ADD COLUMN would_refuse text,
    ADD COLUMN request json;
CREATE INDEX entries_observed ON aikit.entries (tenant, attempt) WHERE would_refuse IS NOT NULL;
ALTER TABLE aikit.refusals ADD COLUMN request json, ADD COLUMN source text;
-- an ending that nobody reported tokens for counts as those of its hold; rollups keep these apart
ALTER TABLE aikit.rollups
    ADD COLUMN unreported_input bigint NOT NULL DEFAULT 0,
    ADD COLUMN unreported_output bigint NOT NULL DEFAULT 0;
CREATE INDEX rollups_by_user ON aikit.rollups (tenant, user_id, hour);

DROP VIEW aikit.decisions;
CREATE VIEW aikit.decisions AS
    SELECT tenant, attempt AS decision_id, call, true AS allowed, reason_code, would_refuse, limits, policy_version,
           price_id, held_nano AS nano, admitted_at AS decided_at
    FROM aikit.entries WHERE seq = 0
    UNION ALL
    SELECT tenant, attempt, call, true, reason_code, would_refuse, limits, policy_version, price_id, nano, admitted_at
    FROM aikit.holds
    UNION ALL
    SELECT tenant, attempt, call, false, reason_code, NULL, limits, policy_version, price_id, nano, refused_at
    FROM aikit.refusals;

-- counters: one row a subject, with a slot for each of its limits; `names` tells them apart --
-- A slot is four amounts: the second since 1970 at which its window started, used, held, and what the window before
-- came to. It rolls on in place with the first batch of the next window. Opened again, it is the same.
DROP TABLE aikit.counters;
CREATE TABLE aikit.counters (
    tenant text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    environment text,  -- the parts of the subject; null: all
    feature text,
    user_id text,
    names text[] NOT NULL DEFAULT '{}',
    amounts bigint[] NOT NULL DEFAULT '{}' CHECK (cardinality(amounts) = 4 * cardinality(names)),
    revision bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, subject)
) WITH (fillfactor = 50);
ALTER TABLE aikit.holds RENAME COLUMN counters TO subjects;
UPDATE aikit.holds SET subjects = '{}', generation = generation + 1;

CREATE VIEW aikit.counts AS
    SELECT c.tenant, c.subject, c.environment, c.feature, c.user_id, n.name,
           split_part(n.name, '/', 1) AS metric, split_part(split_part(n.name, '/', 2), '@', 1) AS "window",
           to_timestamp(c.amounts[4 * n.i - 3]) AS window_start, c.amounts[4 * n.i - 2] AS used,
           c.amounts[4 * n.i - 1] AS held, c.amounts[4 * n.i] AS previous
    FROM aikit.counters c CROSS JOIN LATERAL unnest(c.names) WITH ORDINALITY n (name, i);

-- the rows that a process posts --
DROP FUNCTION aikit.post;
DROP TYPE aikit.counter_change;
DROP TYPE aikit.new_hold;
CREATE TYPE aikit.counter_change AS (tenant text, subject text, seen bigint, amounts bigint[]);
CREATE TYPE aikit.new_hold AS (
    tenant text, attempt uuid, call uuid, user_id text, feature text, environment text, provider text, model text,
    api text, stream boolean, price_id text, nano bigint, tokens bigint, output_tokens bigint, request json,
    subjects text, limits json, reason_code text, would_refuse text
);

-- post: one batch, all or nothing, under a decision that was made on what the process last saw --
-- Answers 'ok', or what has to be read again before the batch can be decided: 'policy' or 'clock'.
-- A hold that is not as its process knew it raises AK001, a counter AK002, and undoes the batch.
-- The changes come sorted, and sorted they are locked: tenants and subjects collate alike here and in the process.
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
                      h.output_tokens AS held_output, h.limits, h.reason_code, h.would_refuse, h.request,
                      h.policy_version, h.admitted_at, e.*
        )
        INSERT INTO aikit.entries (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, held_tokens, held_output, limits, reason_code, would_refuse,
            request, policy_version, admitted_at)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
            estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
            cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
            duration_ms, first_byte_ms, held_nano, held_tokens, held_output, limits, reason_code, would_refuse,
            request, policy_version, admitted_at
        FROM gone;
        GET DIAGNOSTICS matched = ROW_COUNT;
        IF matched <> cardinality(endings) THEN
            RAISE EXCEPTION 'a hold is not as its process knew it' USING ERRCODE = 'AK001';
        END IF;
    END IF;

    IF new_holds IS NOT NULL THEN
        INSERT INTO aikit.holds (
            tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano,
            tokens, output_tokens, request, subjects, limits, reason_code, would_refuse, policy_version, admitted_at,
            expires_at)
        SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano,
            tokens, output_tokens, request,
            CASE subjects WHEN '' THEN '{""}' ELSE coalesce(string_to_array(subjects, E'\x1e'), '{}') END,
            limits, reason_code, would_refuse, policy, at, at + make_interval(secs => hold_seconds)
        FROM unnest(new_holds);
    END IF;

    IF refused IS NOT NULL THEN
        INSERT INTO aikit.refusals SELECT * FROM unnest(refused);
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

-- counted: what the attempts of a subject came to from one moment until before another --
-- Whole hours from the rollups, the broken ones at both ends from the entries. `until` null: up to now.
-- Planned anew for each call: a plan for any times and any user would read the whole tables.
DROP FUNCTION aikit.open_counter;
CREATE FUNCTION aikit.counted(
    p_tenant text, p_environment text, p_feature text, p_user text, p_metric text, p_since timestamptz,
    p_until timestamptz
) RETURNS bigint LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    first_hour timestamptz := date_trunc('hour', p_since + interval '1 hour' - interval '1 microsecond', 'UTC');
    last_hour timestamptz := date_trunc('hour', coalesce(p_until, 'infinity'), 'UTC');
    since timestamptz;
    until timestamptz;
    first_id uuid;
    end_id uuid;
    total bigint;
    part bigint;
BEGIN
    IF p_metric = 'concurrency' THEN RETURN 0; END IF;
    SELECT coalesce(sum(CASE p_metric
               WHEN 'credits' THEN r.nano
               WHEN 'requests' THEN r.calls
               ELSE CASE WHEN p_metric <> 'output_tokens' THEN
                        r.input + r.cache_read + r.cache_write_5m + r.cache_write_1h + r.input_audio + r.input_image
                        + r.cache_read_audio + r.unreported_input ELSE 0 END
                  + CASE WHEN p_metric <> 'input_tokens' THEN
                        r.output + r.reasoning + r.output_audio + r.output_image + r.unreported_output ELSE 0 END
               END), 0)
    INTO total FROM aikit.rollups r
    WHERE r.tenant = p_tenant AND r.hour >= first_hour AND r.hour < last_hour
      AND (p_environment IS NULL OR r.environment = p_environment)
      AND (p_feature IS NULL OR r.feature = p_feature)
      AND (p_user IS NULL OR r.user_id = p_user);
    FOR since, until IN
        VALUES (p_since, least(first_hour, p_until)), (greatest(last_hour, first_hour), p_until)
    LOOP
        CONTINUE WHEN since < until IS NOT TRUE;
        first_id := aikit.id_at(since - interval '10 minutes');
        end_id := aikit.id_at(until + interval '10 minutes');
        SELECT sum(CASE p_metric
                   WHEN 'credits' THEN e.nano
                   WHEN 'requests' THEN (e.seq = 0)::int
                   ELSE CASE WHEN p_metric <> 'output_tokens' THEN
                            CASE WHEN e.input IS NOT NULL THEN
                                e.input + e.cache_read + e.cache_write_5m + e.cache_write_1h + e.input_audio
                                + e.input_image + e.cache_read_audio
                            WHEN e.nano > 0 AND e.seq = 0 THEN e.held_tokens - e.held_output ELSE 0 END ELSE 0 END
                      + CASE WHEN p_metric <> 'input_tokens' THEN
                            CASE WHEN e.output IS NOT NULL THEN
                                e.output + e.reasoning + e.output_audio + e.output_image
                            WHEN e.nano > 0 AND e.seq = 0 THEN e.held_output ELSE 0 END ELSE 0 END
                   END)
        INTO part FROM aikit.entries e
        WHERE e.tenant = p_tenant AND e.attempt >= first_id AND e.attempt < end_id
          AND e.admitted_at >= since AND e.admitted_at < until
          AND (p_environment IS NULL OR e.environment = p_environment)
          AND (p_feature IS NULL OR coalesce(e.feature, '') = p_feature)
          AND (p_user IS NULL OR coalesce(e.user_id, '') = p_user);
        total := total + coalesce(part, 0);
    END LOOP;
    RETURN total;
END $$;

-- id_at: the smallest UUIDv7 of a moment --
CREATE FUNCTION aikit.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(greatest(0, least(extract(epoch FROM moment) * 1000, 281474976710655))::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;

-- open_counter: a new slot starts from what the subject has used and holds in its window and in the one before --
-- Holds first, then what was used: a settlement that commits in between is seen by exactly one of the two.
CREATE FUNCTION aikit.open_counter(
    p_tenant text, p_subject text, p_environment text, p_feature text, p_user text, p_name text, p_metric text,
    p_start timestamptz, p_before timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held bigint;
    held_before bigint;
BEGIN
    INSERT INTO aikit.counters (tenant, subject, environment, feature, user_id)
    VALUES (p_tenant, p_subject, p_environment, p_feature, p_user) ON CONFLICT DO NOTHING;
    PERFORM 1 FROM aikit.counters c
    WHERE c.tenant = p_tenant AND c.subject = p_subject AND NOT p_name = ANY (c.names) FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE aikit.holds h SET subjects = h.subjects || p_subject, generation = h.generation + 1
    WHERE h.tenant = p_tenant AND NOT p_subject = ANY (h.subjects)
      AND (p_environment IS NULL OR h.environment = p_environment)
      AND (p_feature IS NULL OR coalesce(h.feature, '') = p_feature)
      AND (p_user IS NULL OR coalesce(h.user_id, '') = p_user);
    SELECT coalesce(sum(x.amount) FILTER (WHERE h.admitted_at >= p_start), 0),
           coalesce(sum(x.amount) FILTER (WHERE h.admitted_at >= p_before AND h.admitted_at < p_start), 0)
    INTO held, held_before
    FROM aikit.holds h, LATERAL (SELECT CASE p_metric
        WHEN 'credits' THEN h.nano
        WHEN 'tokens' THEN h.tokens
        WHEN 'input_tokens' THEN h.tokens - h.output_tokens
        WHEN 'output_tokens' THEN h.output_tokens
        ELSE 1 END) x (amount)
    WHERE h.tenant = p_tenant AND p_subject = ANY (h.subjects);
    UPDATE aikit.counters c SET names = c.names || p_name, revision = c.revision + 1, amounts = c.amounts || ARRAY[
        extract(epoch FROM p_start)::bigint,
        aikit.counted(p_tenant, p_environment, p_feature, p_user, p_metric, p_start, NULL),
        held,
        CASE WHEN p_before IS NULL THEN 0 ELSE held_before
            + aikit.counted(p_tenant, p_environment, p_feature, p_user, p_metric, p_before, p_start) END]
    WHERE c.tenant = p_tenant AND c.subject = p_subject;
END $$;
