"""FAISS's flat index of inner products: the peer of `cargo xtask bench similar`.

    faiss_flat.py VECTORS ROWS DIM THREADS COUNT

VECTORS is a raw file of rows of float32 with length 1. Each line of standard input is the number of a row to search for;
the answer is the seconds that the search took, and the numbers of the COUNT nearest rows.
"""

import sys
import time

import faiss
import numpy as np

path, rows, dim, threads, count = sys.argv[1], *map(int, sys.argv[2:6])
faiss.omp_set_num_threads(threads)
vectors = np.memmap(path, np.float32, "r", shape=(rows, dim))
index = faiss.IndexFlatIP(dim)
for first in range(0, rows, 50_000):
    index.add(np.ascontiguousarray(vectors[first : first + 50_000]))
print("ready", flush=True)
for line in sys.stdin:
    query = np.array(vectors[int(line)], np.float32)[None]
    start = time.perf_counter()
    _, found = index.search(query, count)
    seconds = time.perf_counter() - start
    print(seconds, *found[0], flush=True)
