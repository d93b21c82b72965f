-- Versions of a policy, and plans of a tenant or a user, follow each other: one ends before or as the next begins,
-- and none begins or ends in a version that is yet to come.
WITH spans AS (
    SELECT 'policy_span' AS kind, coalesce(tenant, '') AS tenant, 'policy ' || name AS what, name AS whose, since, until
    FROM aikit.policies
    UNION ALL
    SELECT 'plan_span', tenant, concat_ws(' ', 'plan of', 'user ' || nullif(user_id, ''), 'tenant ' || tenant),
           tenant || E'\x1f' || user_id, since, until
    FROM aikit.plan_holders
), followed AS (
    SELECT *, lead(since) OVER (PARTITION BY kind, whose ORDER BY since) AS next FROM spans
)
SELECT kind, tenant, what || ' since version ' || since || ': end', next, until, false
FROM followed WHERE next IS NOT NULL AND (until IS NULL OR until > next)
UNION ALL
SELECT kind, tenant, what || ' since version ' || since || ': newest version', policy_version,
       greatest(since, until), false
FROM followed, aikit.state WHERE greatest(since, until) > policy_version
UNION ALL
SELECT 'policy_body', coalesce(tenant, ''), 'policy ' || name || ' since version ' || since, NULL, NULL, false
FROM aikit.policies
WHERE body ->> 'name' IS DISTINCT FROM name OR body #>> '{scope,tenant}' IS DISTINCT FROM tenant
ORDER BY 2, 3, 1
