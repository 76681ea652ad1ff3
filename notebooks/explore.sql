-- What is there: submit/squeeze query --workspace data/quickstart --file notebooks/explore.sql
SELECT data_set, split, count(*) AS photos, first(channels) AS channels,
       first(grid_height) AS grid_height, first(grid_width) AS grid_width
FROM embeddings
GROUP BY ALL
ORDER BY ALL;

-- How alike are neighbours in a grid?
SELECT a.breed, avg(cosine_similarity(a.vector, b.vector)) AS to_the_right
FROM patches a
JOIN patches b USING (data_set, split, sample_id)
WHERE split = 'test' AND a.y = b.y AND a.x + 1 = b.x
GROUP BY a.breed
ORDER BY a.breed;

-- The photos that lost most against the baseline.
SELECT sample_id, round(iou, 3) AS iou, round(baseline_iou, 3) AS baseline_iou,
       float_bytes, packed_bytes, round(entropy_bytes, 1) AS entropy_bytes
FROM samples
WHERE baseline_iou IS NOT NULL
ORDER BY baseline_iou - iou DESC, sample_id
LIMIT 5;
