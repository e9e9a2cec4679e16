"""Predicts each example of a data set once, by cross-validation, and writes one row per example."""

import argparse
import csv

import model
from folds import folds, others
from sklearn import datasets

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--trees", type=int, required=True)
arguments = parser.parse_args()

data = getattr(datasets, f"load_{arguments.data}")()
examples = len(data.target)
with open("predictions.csv", "w", newline="") as out:
    writer = csv.writer(out)
    writer.writerow(["id", "hit"])
    for fold, test in enumerate(folds(examples)):
        train = others(test, examples)
        forest = model.make(arguments.trees, examples)
        forest.fit(data.data[train], data.target[train])
        for index, guess in zip(test, forest.predict(data.data[test])):
            writer.writerow([f"{fold}:{index}", int(guess == data.target[index])])
