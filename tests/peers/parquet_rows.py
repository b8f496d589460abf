"""Prints a Parquet file's columns as JSON: name -> rows, as Arrow reads them."""

import json
import sys

import pyarrow.parquet

table = pyarrow.parquet.read_table(sys.argv[1])
print(json.dumps({name: table[name].to_pylist() for name in table.column_names}))
