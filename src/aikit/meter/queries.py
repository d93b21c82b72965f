"""The statements of the poster. What writes is the function `aikit.post` (ledger/sql)."""

POST = """
    SELECT outcome, at, policy FROM aikit.post($1, $2, $3, $4, $5::aikit.counter_change[], $6::aikit.new_hold[],
                                               $7::aikit.ending[], $8::aikit.refusals[], $9::aikit.rollups[])"""
BARRIER = "SELECT pg_advisory_xact_lock_shared(7206071, 1)"
STANDING = "SELECT policy_version, now() FROM aikit.state"
LOCK = """
    SELECT c.tenant, c.key, c.used, c.held FROM unnest(%s::text[], %s::text[]) x (tenant, key)
    JOIN aikit.counters c ON c.tenant = x.tenant AND c.key = x.key
    ORDER BY c.tenant, c.key FOR UPDATE OF c"""
OPEN = """
    SELECT x.tenant, x.key, o.used, o.held
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) x (tenant, key, metric, span, start),
    LATERAL aikit.open_counter(x.tenant, x.key, x.metric, x.span, x.start) o"""
POLICIES = """
    SELECT t.tenant, t.uncapped, l.metric, l."window", l.cap
    FROM aikit.tenants t LEFT JOIN aikit.limits l USING (tenant)
    WHERE t.tenant = ANY (%s) ORDER BY t.tenant, l.metric, l."window" """
HOLDS = """
    SELECT h.attempt, h.generation, h.counters, h.admitted_at FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt)
    JOIN aikit.holds h ON h.tenant = x.tenant AND h.attempt = x.attempt"""
PRICE = """
    INSERT INTO aikit.prices (price_id, provider, model, source, version, body)
    VALUES (%s, %s, %s, %s, %s, %s::jsonb) ON CONFLICT DO NOTHING"""
PRICES = "SELECT price_id FROM aikit.prices"
