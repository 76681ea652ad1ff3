-- Bits against quality: submit/squeeze query --workspace outputs --file notebooks/rate_distortion.sql
SELECT run, quantizer, evaluation, bits_per_vector, round(miou, 4) AS miou,
       round(miou - max(if(quantizer = 'none', miou, NULL)) OVER (PARTITION BY evaluation), 4) AS to_baseline,
       round(nominal, 1) AS nominal, round(stored, 1) AS stored, round(amortized, 1) AS amortized,
       codes_used, codebook_size
FROM runs
WHERE evaluation IS NOT NULL
ORDER BY bits_per_vector, run;
