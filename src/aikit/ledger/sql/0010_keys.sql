-- Keys of the server, keys to providers that tenants bring along, and the role that sees one tenant alone.

-- api_keys: who may do what on the server; a secret is kept as its BLAKE2b-256, keyed with the database's own secret --
CREATE TABLE aikit.api_keys (
    id text PRIMARY KEY,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    name text,
    last4 text NOT NULL,
    tenant text,  -- null: an operator's, for all tenants
    environment text NOT NULL CHECK (environment IN ('dev', 'staging', 'prod')),
    user_id text,
    feature text,
    rights text[] NOT NULL
        CHECK (cardinality(rights) > 0 AND rights <@ ARRAY['complete', 'evaluate', 'usage:read', 'admin']),
    per_minute integer CHECK (per_minute > 0),
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    revoked_at timestamptz,
    revoked_by text,
    revoked_why text,
    replaces text REFERENCES aikit.api_keys (id),  -- the key that this one was made for
    until timestamptz,  -- it was replaced, and works until then
    CHECK (tenant IS NOT NULL OR 'admin' = ANY (rights) AND user_id IS NULL AND feature IS NULL)
);
CREATE UNIQUE INDEX api_keys_by_hash ON aikit.api_keys (hash);
CREATE INDEX api_keys_by_tenant ON aikit.api_keys (tenant, environment, created_at);

-- key_minutes: how many requests of a key have been given out to processes in the newest minute that it was used in --
-- Not in the write-ahead log: after a crash of the server nothing has been given out, and that is all.
CREATE UNLOGGED TABLE aikit.key_minutes (
    key text PRIMARY KEY,
    minute timestamptz NOT NULL,
    taken integer NOT NULL
) WITH (fillfactor = 50);

-- take_requests: gives a process some of what is left of this minute for each of these keys, sorted --
-- As many as it wants at once and a few more, so that it need not come for each; the less is left, the fewer.
CREATE FUNCTION aikit.take_requests(
    keys text[], wanted integer[], most integer[],
    OUT key text, OUT granted integer, OUT minute timestamptz, OUT seconds_left double precision
) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    was timestamptz;
    used integer;
BEGIN
    FOR i IN 1 .. coalesce(cardinality(keys), 0) LOOP
        key := keys[i];
        INSERT INTO aikit.key_minutes AS m VALUES (keys[i], '-infinity', 0) ON CONFLICT DO NOTHING;
        SELECT m.minute, m.taken INTO was, used FROM aikit.key_minutes m WHERE m.key = keys[i] FOR UPDATE;
        minute := greatest(was, date_trunc('minute', clock_timestamp()));
        used := CASE WHEN was < minute THEN 0 ELSE used END;
        granted := greatest(most[i] - used, 0);
        granted := least(granted, greatest(wanted[i], least((most[i] + 19) / 20, granted / 8)));
        IF granted > 0 THEN
            UPDATE aikit.key_minutes m SET minute = take_requests.minute, taken = used + granted WHERE m.key = keys[i];
        END IF;
        seconds_left := extract(epoch FROM minute + interval '1 minute' - clock_timestamp());
        RETURN NEXT;
    END LOOP;
END $$;

-- provider_keys: a tenant's own keys to providers, encrypted --
CREATE TABLE aikit.provider_keys (
    tenant text NOT NULL,
    environment text NOT NULL CHECK (environment IN ('dev', 'staging', 'prod')),
    provider text NOT NULL,
    sealed bytea NOT NULL,
    last4 text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    PRIMARY KEY (tenant, environment, provider)
);

-- keyed: the database's own word on a text; who may not read the secret can't have it said --
CREATE FUNCTION aikit.keyed(message text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(secret || sha256(secret || convert_to(message, 'UTF8'))) FROM aikit.state
$$;

-- isolated_role: who sees one tenant alone; named by the database's secret, because roles are of the whole server --
CREATE FUNCTION aikit.isolated_role() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'aikit_tenant_' || left(encode(aikit.keyed('isolated role'), 'hex'), 12)
$$;

-- seen_tenant, seen_environment: what the role may see in this session, null: nothing --
-- The settings alone mean nothing: anybody may change them. They count with a proof, which takes the database's secret
-- and is good for this one connection. What is compared are hashes, so that the time it takes tells nothing.
CREATE FUNCTION aikit.seen(setting text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT current_setting(setting, true)
    WHERE setting IN ('aikit.tenant', 'aikit.environment')
    AND sha256(convert_to(current_setting('aikit.proof', true), 'UTF8')) = sha256(convert_to(encode(aikit.keyed(
        concat_ws(chr(31), 'isolated reads', pg_backend_pid(), current_setting('aikit.environment', true),
                  current_setting('aikit.tenant', true))), 'hex'), 'UTF8'))
$$;
CREATE FUNCTION aikit.seen_tenant() RETURNS text LANGUAGE sql STABLE AS $$ SELECT aikit.seen('aikit.tenant') $$;
CREATE FUNCTION aikit.seen_environment() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT aikit.seen('aikit.environment')
$$;

-- row-level security: for that role alone. Everybody else sees what was granted to them, as before --
CREATE FUNCTION aikit.isolation(OUT relation text, OUT condition text, OUT columns text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE AS $$
    SELECT v.relation, CASE v.seen
        WHEN 'own' THEN 'tenant = (SELECT aikit.seen_tenant()) AND environment = (SELECT aikit.seen_environment())'
        WHEN 'tenant' THEN 'tenant = (SELECT aikit.seen_tenant())'
        ELSE v.seen END, v.columns  -- the role may not read those that have none
    FROM (VALUES
        ('entries', 'own', '*'), ('refusals', 'own', '*'), ('holds', 'own', '*'), ('rollups', 'own', '*'),
        ('pruned_rollups', 'own', NULL),
        -- what is counted over all environments is seen in each, of a user or a feature where it has been seen
        ('counters', 'tenant = (SELECT aikit.seen_tenant()) AND (environment = (SELECT aikit.seen_environment()) '
            'OR environment IS NULL AND (user_id IS NULL AND feature IS NULL OR EXISTS (SELECT FROM aikit.rollups r '
            'WHERE r.tenant = counters.tenant AND r.user_id = coalesce(counters.user_id, r.user_id) '
            'AND r.feature = coalesce(counters.feature, r.feature))))', '*'),
        ('idempotency_keys', 'tenant', NULL), ('repeats', 'tenant', NULL),
        ('tenants', 'tenant', '*'), ('plan_holders', 'tenant', '*'), ('audit', 'tenant', '*'),
        ('policies', 'tenant IS NULL OR tenant = (SELECT aikit.seen_tenant())', '*'),
        ('api_keys', 'own', 'id, name, last4, tenant, environment, user_id, feature, rights, per_minute, expires_at, '
            'created_at, created_by, revoked_at, revoked_by, revoked_why, replaces, until'),
        ('provider_keys', 'own', 'tenant, environment, provider, last4, created_at, created_by'),
        -- without a tenant: the same for all
        ('state', NULL, 'singleton, nano_per_credit, policy_version, breaker_version'),
        ('prices', NULL, '*'), ('breakers', NULL, '*'), ('breaker_moves', NULL, '*'), ('sightings', NULL, '*'),
        ('prompt_versions', NULL, '*'), ('prompt_moves', NULL, '*'), ('prompt_gates', NULL, '*'),
        -- views, which see what their reader may see
        ('decisions', NULL, '*'), ('counts', NULL, '*'), ('parts', NULL, '*'), ('prompt_labels', NULL, '*')
    ) v (relation, seen, columns)
$$;

ALTER VIEW aikit.decisions SET (security_invoker = true);
ALTER VIEW aikit.summands SET (security_invoker = true);
ALTER VIEW aikit.counts SET (security_invoker = true);
ALTER VIEW aikit.parts SET (security_invoker = true);
ALTER VIEW aikit.prompt_labels SET (security_invoker = true);

DO $$
DECLARE
    relation text;
BEGIN
    FOR relation IN SELECT i.relation FROM aikit.isolation() i WHERE i.condition IS NOT NULL LOOP
        EXECUTE format('ALTER TABLE aikit.%I ENABLE ROW LEVEL SECURITY', relation);
        EXECUTE format('CREATE POLICY everybody ON aikit.%I USING (true) WITH CHECK (true)', relation);
    END LOOP;
END $$;

-- isolate: makes the role and says what it sees; whether it is there now --
-- Who may not create roles is told so by false. Then an administrator does it, and this is run again.
CREATE FUNCTION aikit.isolate() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    role text := aikit.isolated_role();
    seen record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT PASSWORD %L', role,
                           encode(aikit.keyed('isolated password'), 'hex'));
        EXCEPTION
            WHEN insufficient_privilege THEN RETURN false;
            WHEN duplicate_object OR unique_violation THEN NULL;  -- another database, a copy of this one, was faster
        END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA aikit TO %I', role);
    FOR seen IN SELECT * FROM aikit.isolation() LOOP
        IF seen.condition IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_policies p
            WHERE p.schemaname = 'aikit' AND p.tablename = seen.relation AND p.policyname = role) THEN
            EXECUTE format('CREATE POLICY %I ON aikit.%I AS RESTRICTIVE TO %I USING (%s) WITH CHECK (false)',
                           role, seen.relation, role, seen.condition);
        END IF;
        IF seen.columns IS NOT NULL THEN
            EXECUTE format(CASE seen.columns WHEN '*' THEN 'GRANT SELECT ON aikit.%2$I TO %3$I'
                           ELSE 'GRANT SELECT (%1$s) ON aikit.%2$I TO %3$I' END, seen.columns, seen.relation, role);
        END IF;
    END LOOP;
    RETURN true;
END $$;
SELECT aikit.isolate();

-- open_month: runs with the rights of who owns the schema, for whoever posts; that role does not --
ALTER FUNCTION aikit.open_month RENAME TO make_month;
REVOKE EXECUTE ON FUNCTION aikit.make_month FROM PUBLIC;
CREATE FUNCTION aikit.open_month(moment timestamptz) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF session_user = aikit.isolated_role() THEN
        RAISE EXCEPTION 'who sees one tenant alone makes no months' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN aikit.make_month(moment);
END $$;
