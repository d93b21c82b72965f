"""The statements of the poster. What writes is the function `aikit.post` (ledger/sql)."""

POST = """
    SELECT outcome, at, policy FROM aikit.post($1, $2, $3, $4, $5::aikit.counter_change[], $6::aikit.new_hold[],
                                               $7::aikit.ending[], $8::aikit.refusals[], $9::aikit.rollups[])"""
BARRIER = "SELECT pg_advisory_xact_lock_shared(7206071, 1)"
STANDING = "SELECT policy_version, now() FROM aikit.state"
LOCK = """
    SELECT c.tenant, c.subject, c.revision, c.names, c.amounts
    FROM unnest(%s::text[], %s::text[]) x (tenant, subject)
    JOIN aikit.counters c ON c.tenant = x.tenant AND c.subject = x.subject
    ORDER BY c.tenant, c.subject FOR UPDATE OF c"""
OPEN = "SELECT aikit.open_counter(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
EVERYWHERE = "SELECT body FROM aikit.policies WHERE tenant IS NULL AND until IS NULL"
TENANTS = """
    SELECT t.tenant, p.plan,
           EXISTS (SELECT FROM aikit.plan_holders u WHERE u.tenant = t.tenant AND u.user_id <> '' AND u.until IS NULL),
           (SELECT array_agg(y.body) FROM aikit.policies y WHERE y.tenant = t.tenant AND y.until IS NULL)
    FROM aikit.tenants t
    LEFT JOIN aikit.plan_holders p ON p.tenant = t.tenant AND p.user_id = '' AND p.until IS NULL
    WHERE t.tenant = ANY (%s)"""
USER_PLANS = """
    SELECT p.tenant, p.user_id, p.plan FROM unnest(%s::text[], %s::text[]) x (tenant, user_id)
    JOIN aikit.plan_holders p ON p.tenant = x.tenant AND p.user_id = x.user_id AND p.until IS NULL"""
HOLDS = """
    SELECT h.attempt, h.generation, h.subjects, h.admitted_at FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt)
    JOIN aikit.holds h ON h.tenant = x.tenant AND h.attempt = x.attempt"""
PRICE = """
    INSERT INTO aikit.prices (price_id, provider, model, source, version, body)
    VALUES (%s, %s, %s, %s, %s, %s::jsonb) ON CONFLICT DO NOTHING"""
PRICES = "SELECT price_id FROM aikit.prices"
