"""Predicts each example of a data set once, by cross-validation, and writes one row per example."""

import argparse
import csv

import model
from folds import folds, load

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--trees", type=int, required=True)
arguments = parser.parse_args()

data = load(arguments.data)
with open("predictions.csv", "w", newline="") as out:
    writer = csv.writer(out)
    writer.writerow(["id", "hit"])
    for fold, (train, test) in enumerate(folds(data)):
        forest = model.make(arguments.trees, len(data.target))
        forest.fit(data.data[train], data.target[train])
        for index, guess in zip(test, forest.predict(data.data[test])):
            writer.writerow([f"{fold}:{index}", int(guess == data.target[index])])
