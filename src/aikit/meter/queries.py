"""The statements of the poster. What writes is the function `aikit.post` (ledger/sql)."""

from aikit.ledger.locks import EXPIRING, POSTING

POST = """
    SELECT outcome, at FROM aikit.post($1, $2, $3, $4, $5::aikit.counter_change[], $6::aikit.new_hold[],
                                               $7::aikit.ending[], $8::aikit.refusal[], $9::aikit.rollups[],
                                               $10::aikit.extension[], $11::aikit.claim[], $12::aikit.answer[], $13,
                                               $14::aikit.breaker_change[])"""
BARRIER = f"SELECT pg_advisory_xact_lock_shared{POSTING}"
ALONE = f"SELECT pg_advisory_xact_lock{POSTING}"
STANDING = "SELECT policy_version, breaker_version, now() FROM aikit.state"
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
    SELECT h.attempt, h.generation, h.subjects, h.admitted_at, h.nano, h.tokens, h.output_tokens
    FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt)
    JOIN aikit.holds h ON h.tenant = x.tenant AND h.attempt = x.attempt"""
PRICE = """
    INSERT INTO aikit.prices (price_id, provider, model, source, version, body)
    VALUES (%s, %s, %s, %s, %s, %s::jsonb) ON CONFLICT DO NOTHING"""
PRICES = "SELECT price_id FROM aikit.prices"
TRY_EXPIRING = f"SELECT pg_try_advisory_lock{EXPIRING}"
DONE_EXPIRING = f"SELECT pg_advisory_unlock{EXPIRING}"
EXPIRED = """
    SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano, tokens,
           output_tokens, presumed, subjects, generation, admitted_at, prompt, prompt_hash
    FROM aikit.holds WHERE expires_at < now() OR %s OR admitted_at <= %s ORDER BY expires_at LIMIT 500"""
PRESUMED = """
    SELECT e.attempt, e.nano, e.admitted_at FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt)
    JOIN aikit.entries e ON e.tenant = x.tenant AND e.attempt = x.attempt AND e.seq = 0
    WHERE e.ending = 'presumed_spent' AND e.error = 'expired'
      AND NOT EXISTS (SELECT FROM aikit.entries l WHERE l.tenant = e.tenant AND l.attempt = e.attempt AND l.seq > 0)"""
CORRECT = """
    INSERT INTO aikit.entries (
        tenant, attempt, seq, call, user_id, feature, environment, provider, model, api, stream, price_id, ending,
        estimated, nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image,
        cache_read_audio, output, reasoning, output_audio, output_image, searches, status, error, served_model,
        duration_ms, first_byte_ms, held_nano, held_tokens, held_output, limits, reason_code, request, policy_version,
        admitted_at, prompt, prompt_hash, findings)
    SELECT e.tenant, e.attempt, (%s::smallint[])[x.ordinality::int], e.call, e.user_id, e.feature, e.environment,
           e.provider, e.model, e.api, e.stream,
           coalesce(x.other_price, e.price_id), x.ending, x.estimated, x.nano, x.input, x.cache_read,
           x.cache_write_5m, x.cache_write_1h, x.input_audio, x.input_image, x.cache_read_audio, x.output, x.reasoning,
           x.output_audio, x.output_image, x.searches, x.status, x.error, x.served_model, x.duration_ms,
           x.first_byte_ms, e.held_nano, e.held_tokens, e.held_output, e.limits, e.reason_code, e.request,
           e.policy_version, e.admitted_at, e.prompt, e.prompt_hash, x.found
    FROM unnest(%s::aikit.ending[]) WITH ORDINALITY x
    JOIN aikit.entries e ON e.tenant = x.tenant AND e.attempt = x.attempt AND e.seq = 0
    ON CONFLICT DO NOTHING"""
SUBJECTS = "SELECT tenant, array_agg(subject) FROM aikit.counters WHERE tenant = ANY (%s) GROUP BY tenant"
ENDED = """
    SELECT e.attempt FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt)
    JOIN aikit.entries e ON e.tenant = x.tenant AND e.attempt = x.attempt AND e.seq = 0"""
UNHELD = """
    INSERT INTO aikit.holds (
        tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano, tokens,
        output_tokens, presumed, request, subjects, limits, reason_code, policy_version, admitted_at, expires_at,
        prompt, prompt_hash, findings)
    SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano, tokens,
        output_tokens, presumed, request, '{}', limits, reason_code, %s, admitted_at, now(), prompt, prompt_hash,
        findings
    FROM ROWS FROM (unnest(%s::aikit.new_hold[]), unnest(%s::timestamptz[])) AS x (
        tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, nano, tokens,
        output_tokens, presumed, request, subjects, limits, reason_code, would_refuse, prompt, prompt_hash,
        findings, admitted_at)"""
RENEW = """
    UPDATE aikit.holds h SET expires_at = now() + make_interval(secs => %s)
    FROM unnest(%s::text[], %s::uuid[]) x (tenant, attempt) WHERE h.tenant = x.tenant AND h.attempt = x.attempt"""
EARLIER = """
    SELECT k.tenant, k.key, k.attempt, e.call, k.request_hash, h.attempt IS NOT NULL, e.ending, k.status, k.media_type,
           k.body
    FROM unnest(%s::text[], %s::text[]) x (tenant, key)
    JOIN aikit.idempotency_keys k ON k.tenant = x.tenant AND k.key = x.key AND k.expires_at > now()
    LEFT JOIN aikit.entries e ON e.tenant = k.tenant AND e.attempt = k.attempt AND e.seq = 0
    LEFT JOIN aikit.holds h ON h.tenant = k.tenant AND h.attempt = k.attempt"""
FORGET_KEYS = """
    DELETE FROM aikit.idempotency_keys WHERE (tenant, key) IN (
        SELECT tenant, key FROM aikit.idempotency_keys WHERE expires_at < now() LIMIT 1000 FOR UPDATE SKIP LOCKED)"""
_BREAKER = "provider, model, state, since, until, reason, trips, successes, probes, leases, revision"
BREAKERS = f"SELECT {_BREAKER} FROM aikit.breakers"
NEW_BREAKERS = """
    INSERT INTO aikit.breakers (provider, model, state, since)
    SELECT provider, model, 'closed', to_timestamp(0) FROM unnest(%s::text[], %s::text[]) x (provider, model)
    ON CONFLICT DO NOTHING"""
LOCK_BREAKERS = f"""
    SELECT {_BREAKER} FROM aikit.breakers
    WHERE (provider, model) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
    ORDER BY provider, model FOR UPDATE"""
WRITE_BREAKER = """
    UPDATE aikit.breakers
    SET state = %s, since = %s, until = %s, reason = %s, trips = %s, successes = %s, probes = %s::uuid[],
        leases = %s::timestamptz[], revision = revision + 1
    WHERE provider = %s AND model = %s"""
MOVED = "UPDATE aikit.state SET breaker_version = breaker_version + 1"
MOVES = """
    INSERT INTO aikit.breaker_moves (at, provider, model, was, state, reason, until, who, why)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""
SIGHTED = """
    INSERT INTO aikit.sightings (provider, model, process, body, at)
    SELECT provider, model, %s, body, now() FROM unnest(%s::text[], %s::text[], %s::jsonb[]) x (provider, model, body)
    ON CONFLICT (provider, model, process) DO UPDATE SET body = excluded.body, at = excluded.at"""
SIGHTINGS = """
    SELECT s.provider, s.model, s.body FROM unnest(%s::text[], %s::text[]) x (provider, model)
    JOIN aikit.sightings s ON s.provider = x.provider AND s.model = x.model
    WHERE s.at > now() - interval '1 minute' - %s::interval"""
FORGET_SIGHTINGS = "DELETE FROM aikit.sightings WHERE at < now() - interval '10 minutes'"
REPEATED = """
    INSERT INTO aikit.repeats (tenant, subject, fingerprint, process, body, until)
    SELECT tenant, subject, fingerprint, %s, body, to_timestamp(until)
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[], %s::float8[]) x (
        tenant, subject, fingerprint, body, until)
    ORDER BY tenant, subject, fingerprint
    ON CONFLICT (tenant, subject, fingerprint, process) DO UPDATE SET body = excluded.body, until = excluded.until"""
REPEATS = """
    SELECT r.tenant, r.subject, r.fingerprint, r.body
    FROM unnest(%s::text[], %s::text[], %s::text[]) x (tenant, subject, fingerprint)
    JOIN aikit.repeats r ON r.tenant = x.tenant AND r.subject = x.subject AND r.fingerprint = x.fingerprint
    WHERE r.process <> %s AND r.until > now()"""
FORGET_REPEATS = "DELETE FROM aikit.repeats WHERE until < now()"
