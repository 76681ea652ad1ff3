-- How many of the ten nearest vectors does a search on codes alone find, and how many where it
-- proposes a hundred that are then measured on the vectors themselves?
--
--   submit/squeeze query --workspace codes --file notebooks/search_recall.sql
--
-- Expects what README.md, Searching codes, makes: vectors in codes/vectors, their codes in codes/rvq.
CREATE OR REPLACE TEMP VIEW vectors AS
SELECT * FROM parquet.`codes/vectors`;

CREATE OR REPLACE TEMP VIEW asked AS
SELECT id AS query, vector AS q FROM vectors WHERE pmod(xxhash64(id), 200) = 0;

WITH scored AS (
    SELECT query, v.id,
           l2_distance(v.vector, q) AS distance,
           code_distance(c.codes, q, 'codes/rvq') AS by_codes
    FROM vectors v
    JOIN parquet.`codes/rvq/v1/codes` c ON c.sample_id = v.id
    CROSS JOIN asked
    WHERE v.id != query
), ranked AS (
    SELECT query, id, distance,
           row_number() OVER (PARTITION BY query ORDER BY distance, id) AS place,
           row_number() OVER (PARTITION BY query ORDER BY by_codes, id) AS proposed
    FROM scored
), measured AS (
    SELECT *, row_number() OVER (PARTITION BY query ORDER BY distance, id) AS again
    FROM ranked
    WHERE proposed <= 100
)
SELECT count(DISTINCT query) AS queries,
       sum(if(place <= 10 AND proposed <= 10, 1, 0)) / (10 * count(DISTINCT query)) AS recall_on_codes,
       sum(if(place <= 10 AND again <= 10, 1, 0)) / (10 * count(DISTINCT query)) AS recall_in_two_steps
FROM measured;
