"""The folds of a data set, the same for whoever lists items and whoever evaluates them.

Every fourth example is in the same fold: the data sets come sorted by class or well mixed, so that each fold has its share
of every class. Imports nothing: a listing is over before scikit-learn would be there.
"""

FOLDS = 4


def folds(examples):
    """The examples that each fold tests, of a data set with this many; it trains on the others."""
    return [range(fold, examples, FOLDS) for fold in range(FOLDS)]


def others(test, examples):
    """The examples that are not tested."""
    return [example for example in range(examples) if example not in test]
