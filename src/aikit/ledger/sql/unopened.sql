-- What slots that no call has opened yet would be opened with: used and held in their windows, and all of those before.
SELECT x.number,
       aikit.counted(x.tenant, x.environment, x.feature, x.user_id, x.metric, x.start, NULL) AS used,
       coalesce(sum(a.amount) FILTER (WHERE h.admitted_at >= x.start), 0) AS held,
       CASE WHEN x.before IS NULL THEN 0 ELSE
           aikit.counted(x.tenant, x.environment, x.feature, x.user_id, x.metric, x.before, x.start)
           + coalesce(sum(a.amount) FILTER (WHERE h.admitted_at >= x.before AND h.admitted_at < x.start), 0)
       END AS previous
FROM unnest(CAST(:tenants AS text[]), CAST(:environments AS text[]), CAST(:features AS text[]), CAST(:users AS text[]),
            CAST(:metrics AS text[]), CAST(:starts AS timestamptz[]), CAST(:befores AS timestamptz[]))
     WITH ORDINALITY x (tenant, environment, feature, user_id, metric, start, before, number)
LEFT JOIN aikit.holds h
       ON h.tenant = x.tenant AND h.admitted_at >= coalesce(x.before, x.start)
      AND (x.environment IS NULL OR h.environment = x.environment)
      AND (x.feature IS NULL OR coalesce(h.feature, '') = x.feature)
      AND (x.user_id IS NULL OR coalesce(h.user_id, '') = x.user_id)
LEFT JOIN LATERAL (SELECT CASE x.metric
    WHEN 'credits' THEN h.nano
    WHEN 'tokens' THEN h.tokens
    WHEN 'input_tokens' THEN h.tokens - h.output_tokens
    WHEN 'output_tokens' THEN h.output_tokens
    ELSE 1 END) a (amount) ON h.attempt IS NOT NULL
GROUP BY x.number, x.tenant, x.environment, x.feature, x.user_id, x.metric, x.start, x.before
