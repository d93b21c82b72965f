-- What was charged at recorded prices, once for each distinct usage.
SELECT e.tenant, e.price_id, e.nano, count(*) AS times, min(e.attempt::text) AS attempt,
       input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio,
       output, reasoning, output_audio, output_image, searches
FROM aikit.entries e JOIN aikit.prices p USING (price_id)
WHERE ending = 'settled' AND seq = 0 AND NOT estimated
  AND num_nulls(input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio,
                output, reasoning, output_audio, output_image, searches) = 0
GROUP BY e.tenant, e.price_id, e.nano,
         input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio,
         output, reasoning, output_audio, output_image, searches
