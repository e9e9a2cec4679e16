"""The data sets and their folds, the same for whoever lists items and whoever evaluates them."""

from sklearn import datasets
from sklearn.model_selection import StratifiedKFold

FOLDS = 4


def load(name):
    return getattr(datasets, f"load_{name}")()


def folds(data):
    return StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=0).split(data.data, data.target)
