-- How evenly are codes used: submit/squeeze query --workspace data/quickstart --file notebooks/codebook_usage.sql
CREATE OR REPLACE TEMP VIEW used AS
SELECT data_set, level, code, uses
FROM (SELECT data_set, code_histogram(codes) AS counts FROM codes GROUP BY data_set)
LATERAL VIEW posexplode(counts) AS level, level_counts
LATERAL VIEW posexplode(level_counts) AS code, uses;

SELECT data_set, level, count_if(uses > 0) AS codes_used,
       round(-sum(if(uses > 0, p * log2(p), 0)), 3) AS entropy_bits
FROM (SELECT *, uses / sum(uses) OVER (PARTITION BY data_set, level) AS p FROM used)
GROUP BY ALL
ORDER BY ALL;

-- The ten codes that are used most, and where in the grid.
SELECT u.data_set, u.level, u.code, first(u.uses) AS uses,
       round(avg(c.place DIV c.grid_width), 1) AS mean_y, round(avg(c.place % c.grid_width), 1) AS mean_x
FROM used u
JOIN (SELECT data_set, grid_width, levels, i DIV levels AS place, i % levels AS level, code
      FROM codes LATERAL VIEW posexplode(codes) AS i, code) c USING (data_set, level, code)
GROUP BY u.data_set, u.level, u.code
ORDER BY uses DESC, u.level, u.code
LIMIT 10;
