"""Evaluates random forests on the items of this shard, by cross-validation, and reports per item and in sum.

Writes the metrics file that the workflow names (typed, so that shards merge exactly), one JSON line per item to
$SHEAF_ITEMS_OUT, and the predictions as an artifact.
"""

import argparse
import csv
import json
import math
import os
import time

from folds import folds, others
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--trees", type=int, default=25)
    parser.add_argument("--broken", action="store_true", help="write NaN in place of the accuracy")
    arguments = parser.parse_args()

    data = getattr(datasets, f"load_{arguments.data}")()
    examples = len(data.target)
    with open(os.environ["SHEAF_ITEMS"]) as lines:
        wanted = [line.strip() for line in lines if line.strip()]
    by_fold = {}
    for item in wanted:
        fold, index = item.split(":")
        by_fold.setdefault(int(fold), []).append(int(index))

    records = []
    for fold, test in enumerate(folds(examples)):
        if fold not in by_fold:
            continue
        train = others(test, examples)
        forest = RandomForestClassifier(n_estimators=arguments.trees, random_state=0, n_jobs=1)
        forest.fit(data.data[train], data.target[train])
        for index in by_fold[fold]:
            began = time.perf_counter()
            probabilities = forest.predict_proba(data.data[index : index + 1])[0]
            latency = (time.perf_counter() - began) * 1000
            truth = int(data.target[index])
            records.append(
                {
                    "id": f"{fold}:{index}",
                    "truth": truth,
                    "guess": int(probabilities.argmax()),
                    "log_loss": -math.log(max(float(probabilities[truth]), 1e-3)),
                    "latency_ms": latency,
                }
            )

    with open(os.environ["SHEAF_ITEMS_OUT"], "w") as out:
        for record in records:
            item = {
                "id": record["id"],
                "accuracy": int(record["guess"] == record["truth"]),
                "log_loss": record["log_loss"],
                "latency_ms": record["latency_ms"],
            }
            if arguments.broken:
                del item["accuracy"]
            out.write(json.dumps(item) + "\n")

    # F1 of "is it class 1", from counts: 2·hits / (2·hits + misses + false alarms). Counts merge over shards; a mean
    # of F1 values would not.
    hits = sum(r["guess"] == 1 and r["truth"] == 1 for r in records)
    wrong = sum((r["guess"] == 1) != (r["truth"] == 1) for r in records)
    metrics = {"f1": {"kind": "ratio", "numerator": 2 * hits, "denominator": 2 * hits + wrong}}
    accuracy = sum(r["guess"] == r["truth"] for r in records) / len(records)
    if arguments.broken:
        accuracy = float("nan")
        metrics["accuracy"] = accuracy  # json writes NaN, which is no JSON: what many evaluations do
    with open("metrics.json", "w") as out:
        json.dump(metrics, out)
    with open("summary.json", "w") as out:
        json.dump({"accuracy": accuracy}, out)

    with open("predictions.csv", "w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=["id", "truth", "guess"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)
    print(f"{arguments.data}: {len(records)} items, accuracy {accuracy:.4f}")


main()
