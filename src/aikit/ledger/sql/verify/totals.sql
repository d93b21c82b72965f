-- How much there is to verify.
SELECT (SELECT count(*) FROM aikit.entries) AS entries,
       (SELECT coalesce(sum(rows), 0) FROM aikit.pruned WHERE relation = 'entries') AS pruned,
       (SELECT count(*) FROM aikit.holds) AS holds,
       (SELECT count(*) FROM aikit.counts) AS counters,
       (SELECT count(*) FROM aikit.rollups) AS rollups,
       (SELECT count(*) FROM aikit.refusals) AS refusals,
       (SELECT count(*) FROM aikit.entries WHERE ending = 'presumed_spent' AND seq = 0) AS presumed,
       (SELECT coalesce(sum(nano), 0) FROM aikit.entries WHERE ending = 'presumed_spent' AND seq = 0) AS presumed_nano,
       (SELECT count(*) FROM aikit.holds WHERE expires_at < now()) AS expired_holds
