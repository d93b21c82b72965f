-- What was pruned, part by part, against what is on record of it by the hour.
WITH by_part AS (
    SELECT part, seq, sum(nano) AS nano, sum(refused) AS refused FROM aikit.pruned_rollups GROUP BY part, seq
)
SELECT 'pruned', '', part || ', pruned time ' || seq || ': ' || v.name, v.expected, v.found, v.name = 'nano'
FROM aikit.pruned p FULL JOIN by_part b USING (part, seq)
CROSS JOIN LATERAL (VALUES
    ('nano', coalesce(CASE p.relation WHEN 'entries' THEN p.nano ELSE 0 END, 0), coalesce(b.nano, 0)),
    ('refused', coalesce(CASE p.relation WHEN 'refusals' THEN p.rows ELSE 0 END, 0), coalesce(b.refused, 0))
) AS v (name, expected, found)
WHERE v.expected <> v.found
ORDER BY 3
