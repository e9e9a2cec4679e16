"""The model that changes are made to."""

from sklearn.ensemble import RandomForestClassifier

SEED = 0
DEPTH = None


def make(trees, examples):
    return RandomForestClassifier(n_estimators=trees, max_depth=DEPTH, random_state=SEED, n_jobs=1)
