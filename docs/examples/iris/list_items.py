"""Lists the items of a data set: one example of the test folds per line, as `fold:index`."""

import sys

from folds import folds, load

data = load(sys.argv[1])
for fold, (_, test) in enumerate(folds(data)):
    for index in test:
        print(f"{fold}:{index}")
