"""Lists the items of a data set: one example of the test folds per line, as `fold:index`.

Counts the lines of the file that scikit-learn ships, and imports nothing of it: for so little, that would be most of the work.
"""

import gzip
import importlib.util
import pathlib
import sys

from folds import folds

# Each file, and how many lines stand above its examples.
FILES = {"iris": ("iris.csv", 1), "digits": ("digits.csv.gz", 0), "wine": ("wine_data.csv", 1), "breast_cancer": ("breast_cancer.csv", 1)}

name, above = FILES[sys.argv[1]]
path = pathlib.Path(importlib.util.find_spec("sklearn").origin).parent / "datasets" / "data" / name
with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
    examples = sum(1 for line in lines if line.strip()) - above
for fold, test in enumerate(folds(examples)):
    for index in test:
        print(f"{fold}:{index}")
