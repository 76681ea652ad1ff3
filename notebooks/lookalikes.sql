-- Photos that look alike, found in their codes alone; nothing is decoded.
--   submit/squeeze query --workspace data/quickstart --file notebooks/lookalikes.sql
-- For each vector of the one photo the distance to the nearest vector of the other, and their mean.
SELECT sample_id, breed,
       round(symmetric_code_distance(codes, query, 'data/quickstart/codes/vit_vq_512'), 4) AS distance
FROM codes
CROSS JOIN (SELECT codes AS query FROM codes WHERE sample_id = 'circle_1')
ORDER BY distance, sample_id
LIMIT 10;

-- In two steps: codes propose twenty photos, their embeddings decide.
WITH asked AS (
    SELECT codes AS query, vector AS q
    FROM codes JOIN patches USING (split, sample_id)
    WHERE sample_id = 'circle_1' AND y = 3 AND x = 3
), proposed AS (
    SELECT split, sample_id
    FROM codes CROSS JOIN asked
    ORDER BY code_distance(codes, q, 'data/quickstart/codes/vit_vq_512'), sample_id
    LIMIT 20
)
SELECT sample_id, max(round(cosine_similarity(vector, q), 4)) AS similarity
FROM patches JOIN proposed USING (split, sample_id) CROSS JOIN asked
GROUP BY sample_id
ORDER BY similarity DESC, sample_id
LIMIT 10;
