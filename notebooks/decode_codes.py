"""Codes to vectors with pyarrow and numpy, without this project: a lookup and a sum.

python notebooks/decode_codes.py codes/pets/v1 [SAMPLE_ID]
"""
import sys
import numpy as np, pyarrow.parquet as pq

version, sample = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
book = pq.read_table(version + "/codebook").sort_by([("level", "ascending"), ("code", "ascending")])
level, vector = book["level"].to_numpy(), np.stack(book["vector"].to_numpy())
books = [vector[level == l] for l in range(level.max() + 1)]                  # [level][K, C]
table = pq.read_table(version + "/codes", filters=[("sample_id", "=", sample)] if sample else None)
for row in table.to_pylist():
    codes = np.array(row["codes"]).reshape(-1, row["levels"])                 # [h * w, levels]
    grid = sum(books[l][codes[:, l]] for l in range(row["levels"]))           # [h * w, C]
    print(row["sample_id"], grid.reshape(row["grid_height"], row["grid_width"], -1).shape, *grid[0, :4])
