-- Spark 4.2's own join of nearest neighbours, over codes alone. It compares every photo with every other one.
--   submit/squeeze query --workspace data/quickstart --file notebooks/nearest.sql
SELECT a.sample_id AS photo, b.sample_id AS lookalike,
       round(symmetric_code_distance(b.codes, a.codes, 'data/quickstart/codes/vit_vq_512'), 4) AS distance
FROM (SELECT * FROM codes WHERE sample_id IN ('circle_1', 'square_2')) a
JOIN codes b
     EXACT NEAREST 4 BY DISTANCE symmetric_code_distance(b.codes, a.codes, 'data/quickstart/codes/vit_vq_512')
ORDER BY photo, distance, lookalike;
