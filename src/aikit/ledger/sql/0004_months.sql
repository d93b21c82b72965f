-- Entries and refusals by month: each month is a table of its own, made ahead, and taken away as a whole when it is
-- pruned. An attempt's id is a UUIDv7, so a month is a range of ids: keys stay as they are, and who looks for an id
-- looks into one month.

-- moment_of: when an id was made, by the clock of its process --
CREATE FUNCTION aikit.moment_of(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- append-only: said of the whole table, whichever month is concerned --
CREATE OR REPLACE FUNCTION aikit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'aikit.% is append-only: % is refused', coalesce(TG_ARGV[0], TG_TABLE_NAME), TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Post a correcting entry instead.';
END $$;

-- from here on, whoever reads or writes these waits until the migration is over --
DROP VIEW aikit.decisions;
LOCK TABLE aikit.entries, aikit.refusals IN ACCESS EXCLUSIVE MODE;
ALTER TABLE aikit.entries RENAME TO entries_till_now;
ALTER INDEX aikit.entries_pkey RENAME TO entries_till_now_pkey;
ALTER INDEX aikit.entries_observed RENAME TO entries_till_now_observed;
ALTER TABLE aikit.refusals RENAME TO refusals_till_now;
ALTER INDEX aikit.refusals_pkey RENAME TO refusals_till_now_pkey;
DROP TRIGGER append_only ON aikit.entries_till_now;
DROP TRIGGER no_truncate ON aikit.entries_till_now;
DROP TRIGGER append_only ON aikit.refusals_till_now;
DROP TRIGGER no_truncate ON aikit.refusals_till_now;

CREATE TABLE aikit.entries (LIKE aikit.entries_till_now INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (attempt);
ALTER TABLE aikit.entries ADD PRIMARY KEY (tenant, attempt, seq);
CREATE INDEX entries_observed ON aikit.entries (tenant, attempt) WHERE would_refuse IS NOT NULL;
CREATE TABLE aikit.refusals (LIKE aikit.refusals_till_now INCLUDING ALL EXCLUDING INDEXES)
    PARTITION BY RANGE (attempt);
ALTER TABLE aikit.refusals ADD PRIMARY KEY (tenant, attempt);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.entries
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change('entries');
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.entries EXECUTE FUNCTION aikit.refuse_change('entries');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.refusals
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change('refusals');
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.refusals EXECUTE FUNCTION aikit.refuse_change('refusals');

-- parts: the tables that entries and refusals consist of, and their ranges of ids; null: no bound on that side --
CREATE VIEW aikit.parts AS
    SELECT p.relname::text AS relation, c.relname::text AS part, b.first_id, b.end_id,
           aikit.moment_of(b.first_id) AS since, aikit.moment_of(b.end_id) AS until
    FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound
    CROSS JOIN LATERAL (  -- FOR VALUES FROM (MINVALUE) TO ('01a22ee6-…')
        SELECT nullif(btrim(split_part(split_part(bound, '(', 2), ')', 1), ''''), 'MINVALUE')::uuid AS first_id,
               nullif(btrim(split_part(split_part(bound, '(', 3), ')', 1), ''''), 'MAXVALUE')::uuid AS end_id) b
    WHERE i.inhparent IN ('aikit.entries'::regclass, 'aikit.refusals'::regclass);

-- open_month: makes sure that there is a table for what is made at a moment; whether there was none --
-- Clocks may be wrong, by decades. What is older than the first month is in one table, and what seems to be of 2100 or
-- later is in one: neither stands in the way of a month, as a default partition would.
-- Runs with the rights of who owns the schema: who posts needs no more than to insert.
CREATE FUNCTION aikit.open_month(moment timestamptz) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    id uuid := aikit.id_at(moment);
    month timestamptz := date_trunc('month', moment);
    last_id uuid := aikit.id_at('2100-01-01');
    parent text;
    lowest uuid;
    part text;
    first_id uuid;
    end_id uuid;
BEGIN
    IF (SELECT count(*) = 2 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid  -- as a rule, and quickly
        WHERE i.inhparent IN ('aikit.entries'::regclass, 'aikit.refusals'::regclass)
        AND c.relname IN (to_char(month, '"entries_"YYYY_MM'), to_char(month, '"refusals_"YYYY_MM'))) THEN
        RETURN false;
    END IF;
    IF (SELECT count(*) = 2 FROM aikit.parts p
        WHERE (p.first_id IS NULL OR p.first_id <= id) AND (p.end_id IS NULL OR id < p.end_id)) THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7206071, 4);  -- one at a time, and then look again
    FOREACH parent IN ARRAY ARRAY['entries', 'refusals'] LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM aikit.parts p WHERE p.relation = parent
            AND (p.first_id IS NULL OR p.first_id <= id) AND (p.end_id IS NULL OR id < p.end_id));
        lowest := (SELECT p.first_id FROM aikit.parts p WHERE p.relation = parent
                   ORDER BY p.first_id NULLS FIRST LIMIT 1);
        IF id < lowest THEN
            part := to_char(aikit.moment_of(lowest), '"before_"YYYY_MM');
            first_id := NULL;
            end_id := lowest;
        ELSIF id >= last_id THEN
            part := 'from_2100_01';
            first_id := last_id;
            end_id := NULL;
        ELSE
            part := to_char(month, 'YYYY_MM');
            first_id := aikit.id_at(month);
            end_id := aikit.id_at(month + interval '1 month');
        END IF;
        part := parent || '_' || part;
        EXECUTE format('CREATE TABLE aikit.%I (LIKE aikit.%I INCLUDING ALL)', part, parent);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.%I '
                       'EXECUTE FUNCTION aikit.refuse_change(%L)', part, parent);
        EXECUTE format('ALTER TABLE aikit.%I ATTACH PARTITION aikit.%I FOR VALUES FROM (%s) TO (%s)', parent, part,
                       coalesce(quote_literal(first_id), 'MINVALUE'), coalesce(quote_literal(end_id), 'MAXVALUE'));
    END LOOP;
    RETURN true;
END $$;

-- what is there becomes the first part, up to the end of this month, as it is: it is read once and not rewritten --
DO $$
DECLARE
    next_month timestamptz := (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    next_id uuid := aikit.id_at(next_month);
    parent text;
    old text;
    part text;
    of_index text;
    filled boolean;
    allowed record;
BEGIN
    FOREACH parent IN ARRAY ARRAY['entries', 'refusals'] LOOP
        old := parent || '_till_now';
        FOR allowed IN
            SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role, a.privilege_type
            FROM pg_class c CROSS JOIN aclexplode(c.relacl) a WHERE c.oid = ('aikit.' || old)::regclass
        LOOP
            EXECUTE format('GRANT %s ON aikit.%I TO %s', allowed.privilege_type, parent, allowed.role);
        END LOOP;
        EXECUTE format('SELECT EXISTS (SELECT FROM aikit.%I)', old) INTO filled;
        IF NOT filled THEN
            EXECUTE format('DROP TABLE aikit.%I', old);
            CONTINUE;
        END IF;
        -- ids of clocks that are ahead: they belong into months to come
        EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE aikit.%I) ON COMMIT DROP', parent || '_ahead', old);
        EXECUTE format('WITH gone AS (DELETE FROM aikit.%I WHERE attempt >= %L RETURNING *) '
                       'INSERT INTO pg_temp.%I SELECT * FROM gone', old, next_id, parent || '_ahead');
        part := parent || to_char(next_month AT TIME ZONE 'UTC', '"_before_"YYYY_MM');
        EXECUTE format('ALTER TABLE aikit.%I RENAME TO %I', old, part);
        FOR of_index IN SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                        WHERE i.indrelid = ('aikit.' || part)::regclass
        LOOP
            EXECUTE format('ALTER INDEX aikit.%I RENAME TO %I', of_index, replace(of_index, old, part));
        END LOOP;
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.%I '
                       'EXECUTE FUNCTION aikit.refuse_change(%L)', part, parent);
        EXECUTE format('ALTER TABLE aikit.%I ATTACH PARTITION aikit.%I FOR VALUES FROM (MINVALUE) TO (%L)',
                       parent, part, next_id);
    END LOOP;
    PERFORM aikit.open_month(moment) FROM unnest(ARRAY[
        now(), next_month, next_month - interval '100 years', timestamptz '2100-01-01 00:00 UTC']) moment;
    FOREACH parent IN ARRAY ARRAY['entries', 'refusals'] LOOP
        CONTINUE WHEN to_regclass('pg_temp.' || parent || '_ahead') IS NULL;
        EXECUTE format('SELECT aikit.open_month(month) FROM (SELECT DISTINCT date_trunc(''month'', '
                       'aikit.moment_of(attempt), ''UTC'') FROM pg_temp.%I) x (month)', parent || '_ahead');
        EXECUTE format('INSERT INTO aikit.%I SELECT * FROM pg_temp.%I', parent, parent || '_ahead');
    END LOOP;
END $$;

-- decisions: every decision, wherever its attempt stands now --
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

-- summands: what each entry and each refusal adds to which rollup --
CREATE VIEW aikit.summands AS
    SELECT attempt, tenant, date_trunc('hour', admitted_at, 'UTC') AS hour, environment,
           coalesce(user_id, '') AS user_id, coalesce(feature, '') AS feature, provider, model,
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
           coalesce(feature, ''), provider, model, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM aikit.refusals;

-- pruned: the parts that were taken away, and the files that hold what was in them --
-- A part may come back, when an ending arrives very late, and be pruned again: `seq` counts on.
CREATE TABLE aikit.pruned (
    relation text NOT NULL CHECK (relation IN ('entries', 'refusals')),
    part text NOT NULL,
    seq smallint NOT NULL,
    first_id uuid,
    end_id uuid,
    rows bigint NOT NULL,
    nano bigint NOT NULL,
    file text,  -- its name; null: there was nothing to keep
    sha256 text,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, relation, seq)
);

-- pruned rollups: what the pruned attempts had added to which rollup, so that the books can still be proved --
CREATE TABLE aikit.pruned_rollups (
    LIKE aikit.rollups,
    part text NOT NULL,
    seq smallint NOT NULL,
    PRIMARY KEY (tenant, hour, environment, user_id, feature, provider, model, part, seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.pruned
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.pruned EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.pruned_rollups
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.pruned_rollups EXECUTE FUNCTION aikit.refuse_change();
