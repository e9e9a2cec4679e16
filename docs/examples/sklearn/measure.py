"""Predicts each example of a data set once, by cross-validation, and tells whether it was right and how long it took.

The time is the shortest of several, in units of a yardstick that is measured beside it: what a busy or slow machine adds
is not the library's.
"""

import json
import sys
import time

import model
import numpy
from sklearn import datasets
from sklearn.model_selection import StratifiedKFold

REPETITIONS = 7


def shortest(work):
    best, result = float("inf"), None
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - began)
    return best, result


# About what a prediction is made of: calls into NumPy on little data, and Python in between.
NUMBERS = numpy.linspace(0.0, 1.0, 64)


def yardstick():
    total = 0.0
    for _ in range(30):
        total += float((NUMBERS * 1.5 + 2.0).sum())
    return total


data = getattr(datasets, f"load_{sys.argv[1]}")()
with open("predictions.jsonl", "w") as out:
    folds = StratifiedKFold(n_splits=4, shuffle=True, random_state=0).split(data.data, data.target)
    for fold, (train, test) in enumerate(folds):
        fitted = model.make().fit(data.data[train], data.target[train])
        for index in test:
            example = data.data[index : index + 1]
            latency, guess = shortest(lambda: fitted.predict(example)[0])
            unit, _ = shortest(yardstick)
            item = {
                "id": f"{fold}:{index}",
                "hit": int(guess == data.target[index]),
                "latency": round(latency / unit, 3),
            }
            out.write(json.dumps(item) + "\n")
