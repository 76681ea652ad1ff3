-- Codes to vectors in DuckDB, without this project: a join and a sum.
--   duckdb -c ".read notebooks/decode_codes.duckdb.sql"
-- codes/pets/v1 is what `submit/squeeze encode --codes codes/pets` publishes.
WITH code AS (
    SELECT sample_id, split, levels, unnest(codes) AS code, generate_subscripts(codes, 1) - 1 AS i
    FROM read_parquet('codes/pets/v1/codes/*/*.parquet', hive_partitioning = true)
), part AS (
    SELECT c.sample_id, c.split, c.i // c.levels AS place,
           unnest(b.vector) AS value, generate_subscripts(b.vector, 1) AS channel
    FROM code c
    JOIN read_parquet('codes/pets/v1/codebook/*.parquet') b
      ON b.level = c.i % c.levels AND b.code = c.code
), summed AS (
    SELECT sample_id, split, place, channel, sum(value)::FLOAT AS value
    FROM part
    GROUP BY ALL
)
SELECT sample_id, split, place, list(value ORDER BY channel) AS vector
FROM summed
GROUP BY ALL
ORDER BY split, sample_id, place;
