-- A move of a label begins where the one before left it; a forced one says why; a published text has its hash.
SELECT 'prompt_moves' AS kind, '' AS tenant,
       'a move of ' || name || '@' || label || ' from ' || coalesce('v' || was, 'nothing') || ', where the one before left it at '
       || coalesce('v' || before, 'nothing') AS what, NULL::numeric AS expected, NULL::numeric AS found, false AS money
FROM (SELECT *, lag(version) OVER (PARTITION BY name, label ORDER BY seq) AS before FROM aikit.prompt_moves) moves
WHERE was IS DISTINCT FROM before
UNION ALL
SELECT 'prompt_version', '', name || '@v' || version || ' has another text than its hash says', NULL, NULL, false
FROM aikit.prompt_versions WHERE sha256 <> encode(sha256(convert_to(source, 'UTF8')), 'hex')
UNION ALL
SELECT 'prompt_move', '', name || '@' || label || ' points to content that v' || version || ' does not have', NULL, NULL, false
FROM aikit.prompt_moves m
WHERE NOT EXISTS (SELECT FROM aikit.prompt_versions v
                  WHERE v.name = m.name AND v.version = m.version AND v.sha256 = m.sha256)
ORDER BY 3, 1
