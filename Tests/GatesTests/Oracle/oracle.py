"""Judges runs by the gates' documented meaning, with code of its own: a second opinion for tests, standard library only.

Reads one case per line, {"rules", "rate", "results", "baseline"}: results are the lines of an export, parsed. Answers one
line per case: the run's verdict, each gate's, each group's with its value, n and p; with "waivers" (quarantine among them)
applied, and for "named" gates what they say alone. A case of {"blame"} is cells, and answered by who is to blame. Slow and plain on purpose: sums are
fractions, permutations are tried one by one, Student's t is integrated from its definition.
"""

import json
import math
import sys
from fractions import Fraction
from itertools import combinations
from statistics import NormalDist

ORDER = ["pass", "waived", "inconclusive", "incomplete", "fail"]
NORMAL = NormalDist()
PROGRAM_CAUSES = {"user_exit", "user_error", "timeout", "idle", "signal", "oom", "gpu_oom"}


class Fail(Exception):
    """Evidence that is broken."""


class Incomplete(Exception):
    """Evidence that is missing."""


class Inconclusive(Exception):
    """Evidence that does not decide."""


class Broken(Exception):
    """Evidence for a comparison that is missing or broken: as undecided, and nobody can waive it."""


def worst(verdicts):
    return max(verdicts, key=ORDER.index)


def canonical(values):
    return json.dumps(values, sort_keys=True)


def mean(values):
    return float(sum(map(Fraction, values)) / len(values))


def variance(values):
    if len(values) < 2:
        return 0.0
    middle = sum(map(Fraction, values)) / len(values)
    return float(sum((Fraction(v) - middle) ** 2 for v in values) / (len(values) - 1))


def quantile(values, q):
    values = sorted(values)
    place = q * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


# ---- cells ----------------------------------------------------------------------------------------------------------


class Cell:
    def __init__(self, expected, lines):
        self.expected = expected
        self.values = expected.get("values", {})
        self.key = canonical(self.values)
        self.required = expected.get("required", True)
        self.neutral = not self.required or expected.get("continue_on_error", False)
        self.skipped = expected.get("skipped")
        self.lines = sorted((line for line in lines if line["shard"] >= 0), key=lambda line: line["shard"])
        self.all_lines = lines
        self.status = self.judge_status(lines)

    def judge_status(self, lines):
        """What the cell came to, its numbers left aside."""
        if self.skipped is not None:
            return "fail" if lines else "skipped"
        if self.contradiction():
            return "fail"
        if any(line["cause"] in PROGRAM_CAUSES for line in lines):
            return "program"
        if any(line["cause"] != "passed" for line in lines):
            return "incomplete"
        count = self.expected.get("shards")
        if count is None:
            count = self.lines[0]["shards"] if self.lines else 0
        if count == 0 or sorted(line["shard"] for line in self.lines) != list(range(count)):
            return "incomplete"
        if any(line["shards"] != count for line in self.lines):
            return "incomplete"
        reported = 0
        for line in self.lines:
            ids = [item["id"] for item in line.get("items", [])]
            reported += len(ids)
            assigned = line.get("assigned")
            if assigned is not None and assigned != "reported" and sorted(assigned) != sorted(ids):
                return "incomplete"
        declared = self.expected.get("items")
        if declared is not None and (declared == 0 or declared != reported):
            return "incomplete"
        return "passed"

    def contradiction(self):
        shards = [line["shard"] for line in self.lines]
        ids = [item["id"] for line in self.lines for item in line.get("items", [])]
        return len(set(shards)) < len(shards) or len(set(ids)) < len(ids)

    def read(self, metric, q):
        """The cell's value, and on how many items it rests."""
        for line in self.lines:
            for name in (metric, ""):
                if refused(line["metrics"].get(name)):
                    raise Fail
            if any(refused(item.get(metric)) for item in line.get("items", [])):
                raise Fail
        if self.contradiction():
            raise Fail
        if self.status == "fail":
            raise Fail
        if self.status != "passed":
            raise Incomplete
        items = self.items(metric)
        if items is not None:
            for line in self.lines:
                own = [item for item in line.get("items", []) if metric in item]
                if not own and line.get("assigned") != []:
                    raise Incomplete
                if len(own) < len(line.get("items", [])):
                    raise Incomplete
            numbers = [value for _, _, value in items]
            return (mean(numbers) if q is None else quantile(numbers, q)), len(numbers)
        parts = []
        for line in self.lines:
            if metric not in line["metrics"]:
                raise Incomplete
            part = line["metrics"][metric]
            if says_nothing(part) and line.get("assigned") != [] and not line.get("items"):
                raise Incomplete
            parts.append(part)
        return value_of(merge(parts), q)

    def summary(self, metric, q):
        """What the value says of what was measured; None where nobody tells. Only of a cell that can be read."""
        if self.items(metric) is not None:
            return "mean" if q is None else outermost(q)
        part = next(line["metrics"][metric] for line in self.lines)
        if not isinstance(part, dict):
            return None
        kind = part["kind"]
        if kind in ("samples", "quantiles"):
            return "mean" if q is None else outermost(q)
        return {"count": "sum", "ratio": "mean"}.get(kind, kind)

    def items(self, metric):
        found = [(item["id"], item.get("digest"), item[metric])
                 for line in self.lines for item in line.get("items", []) if metric in item]
        return found or None

    def merged(self, metric):
        return merge([line["metrics"][metric] for line in self.lines])


def refused(value):
    return isinstance(value, dict) and "refused" in value


def outermost(q):
    return {0: "min", 1: "max"}.get(q, "quantile")


def says_nothing(part):
    if not isinstance(part, dict):
        return False
    return part.get("n") == 0 or part.get("denominator") == 0 or part.get("values") == []


def merge(parts):
    if len(parts) == 1:
        return parts[0]
    if not isinstance(parts[0], dict):
        raise Incomplete
    kinds = {part["kind"] if isinstance(part, dict) else "plain" for part in parts}
    if len(kinds) > 1:
        raise Fail
    kind = kinds.pop()
    if kind in ("sum", "count"):
        return {"kind": kind, "value": float(sum(Fraction(part["value"]) for part in parts))}
    if kind in ("min", "max"):
        return {"kind": kind, "value": (min if kind == "min" else max)(part["value"] for part in parts)}
    if kind == "ratio":
        return {"kind": kind, "numerator": float(sum(Fraction(p["numerator"]) for p in parts)),
                "denominator": float(sum(Fraction(p["denominator"]) for p in parts))}
    if kind == "samples":
        return {"kind": kind, "values": [v for part in parts for v in part["values"]]}
    if kind == "mean":
        n = sum(part["n"] for part in parts)
        if n == 0:
            return {"kind": kind, "n": 0, "mean": 0, "m2": 0}
        whole = sum(Fraction(part["mean"]) * int(part["n"]) for part in parts) / int(n)
        spread = sum(Fraction(p["m2"]) + int(p["n"]) * (Fraction(p["mean"]) - whole) ** 2 for p in parts)
        return {"kind": kind, "n": n, "mean": float(whole), "m2": float(spread)}
    raise Incomplete


def value_of(metric, q):
    if not isinstance(metric, dict):
        if q is not None:
            raise Incomplete
        return metric, None
    kind = metric["kind"]
    if kind == "samples":
        if not metric["values"]:
            raise Incomplete
        return (mean(metric["values"]) if q is None else quantile(metric["values"], q)), len(metric["values"])
    if q is not None and not (kind == "min" and q == 0 or kind == "max" and q == 1):
        raise Incomplete
    if kind == "mean":
        if metric["n"] == 0:
            raise Incomplete
        return metric["mean"], int(metric["n"])
    if kind == "ratio":
        if metric["denominator"] == 0:
            raise Incomplete
        return metric["numerator"] / metric["denominator"], None
    return metric["value"], None


class Run:
    def __init__(self, lines):
        header = lines[0]
        self.jobs = {}
        self.tree = header.get("tree")
        for job in header["plan"]["jobs"]:
            self.jobs[job["id"]] = [
                Cell(cell, [line for line in lines[1:] if line["job"] == job["id"] and line["cell_id"] == cell["id"]])
                for cell in job["cells"]]


# ---- groups ---------------------------------------------------------------------------------------------------------


def groups_of(rule, cells):
    """Groups in order: key, place, lists of cells that are averaged first."""
    found = {}
    for cell in cells:
        if not cell.required:
            continue
        if rule["per"] == "cell":
            place = {axis: value for axis, value in cell.values.items() if axis not in rule["over"]}
        elif rule["per"] == "run":
            place = {}
        else:
            place = {axis: cell.values.get(axis) for axis in rule["per"]}
        sets = found.setdefault(canonical(place), (place, {}))[1]
        rest = {axis: value for axis, value in cell.values.items() if axis not in rule["over"]}
        sets.setdefault(canonical(rest if rule["over"] else cell.values), []).append(cell)
    return {key: (place, list(sets.values())) for key, (place, sets) in found.items()}


def first_of(errors):
    for kind in (Fail, Incomplete):
        if any(isinstance(error, kind) for error in errors):
            raise kind


def direction(rule):
    for limit in rule["limits"]:
        if limit[0] in ("at-least", "drop-at-most"):
            return "higher"
        if limit[0] in ("at-most", "rise-at-most", "ratio-at-most"):
            return "lower"
    return None


def read_group(rule, sets):
    averages, *summary = read_sets(rule, sets)
    return (*combine(rule, averages), *summary)


def read_sets(rule, sets):
    """Each set's average and count, and what kind of figure they all are."""
    errors, averages, summaries = [], [], set()
    for cells in sets:
        readings = []
        for cell in cells:
            try:
                readings.append(cell.read(rule["metric"], rule["statistic"]))
                summaries.add(cell.summary(rule["metric"], rule["statistic"]))
            except (Fail, Incomplete) as error:
                errors.append(error)
        if len(readings) == len(cells):
            counts = [n for _, n in readings]
            averages.append((mean([v for v, _ in readings]), None if None in counts else sum(counts)))
    first_of(errors)
    summaries.discard(None)
    if len(summaries) > 1:
        raise Fail
    return averages, *summaries


def combine(rule, averages):
    """Of the averages of all repetitions, with their counts: the value that is asked for."""
    values = [value for value, _ in averages]
    counts = [n for _, n in averages]
    n = None if None in counts else sum(counts)
    how = rule["aggregate"]
    if how == "mean" and rule["weight"]:
        if n is None or n == 0:
            raise Incomplete
        return float(sum(Fraction(v) * c for v, c in averages) / n), n
    if how == "mean":
        return mean(values), n
    if how == "worst":
        toward = direction(rule)
        if toward is None:
            low, high = rule["limits"][0][1], rule["limits"][0][2]
            middle = (low + high) / 2
            return min(values, key=lambda v: (-abs(v - middle), v)), n
        return (min if toward == "higher" else max)(values), n
    return quantile(values, how["quantile"]), n


# ---- limits without a test ------------------------------------------------------------------------------------------


def slack(*numbers):
    return 4 * max(math.ulp(abs(number)) for number in numbers)


def plain(limit, value):
    kind = limit[0]
    good = value >= limit[1] if kind == "at-least" else value <= limit[1] if kind == "at-most" \
        else limit[1] <= value <= limit[2]
    return "pass" if good else "fail"


def estimate(limit, value, baseline, averaged):
    kind, most, unit = limit
    if kind == "ratio-at-most":
        if baseline <= 0:
            return "inconclusive"
        return "pass" if value / baseline <= most + slack(most) else "fail"
    change = baseline - value if kind == "drop-at-most" else value - baseline
    if unit == "%":
        if baseline == 0:
            return "inconclusive"
        most = abs(baseline) * most / 100
    return "pass" if change <= most + (0 if most == 0 and not averaged else slack(most, baseline)) else "fail"


def estimate_quantile(limit, q, pairs, averaged):
    """The quantile of harms, each in the limit's own measure."""
    kind, most, unit = limit
    if any(other <= 0 if kind == "ratio-at-most" else unit == "%" and other == 0 for _, other in pairs):
        return "inconclusive"
    if kind == "ratio-at-most":
        return "pass" if quantile([value / other for value, other in pairs], q) <= most + slack(most) else "fail"
    if unit == "%":
        changes, scale = [(value - other) / abs(other) * 100 for value, other in pairs], 100
    else:
        changes, scale = [value - other for value, other in pairs], max(abs(other) for _, other in pairs)
    change = quantile([-c for c in changes] if kind == "drop-at-most" else changes, q)
    return "pass" if change <= most + (0 if most == 0 and not averaged else slack(most, scale)) else "fail"


# ---- tests ----------------------------------------------------------------------------------------------------------


def normal_above(z):
    return 0.5 * math.erfc(z / math.sqrt(2))


def student_above(t, freedom):
    """By integrating the density over an angle: Simpson's rule on a smooth, bounded function."""
    if t < 0:
        return 1 - student_above(-t, freedom)
    # With t = √ν·tan(a), P(T > t) is proportional to the integral of cos^(ν−1) from a to π/2.
    start = math.atan(t / math.sqrt(freedom))
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(math.pi)
    steps = 1000
    width = (math.pi / 2 - start) / steps
    total = 0.0
    for step in range(steps + 1):
        cosine = math.cos(start + step * width) if step < steps else 0.0
        log_term = (freedom - 1) * math.log(cosine) if cosine > 1e-300 else 0.0 if freedom == 1 else -math.inf
        term = math.exp(log_scale + log_term)
        total += term * (1 if step in (0, steps) else 4 if step % 2 else 2)
    return total * width / 3


def binomial_half_at_least(k, n):
    return float(Fraction(sum(math.comb(n, i) for i in range(max(0, k), n + 1)), 2 ** n)) if n else 1.0


def tango(losses, gains, n, difference):
    """Tango's z: the restricted share of gains is where the likelihood's derivative is 0, found by halving."""
    def slope(q):
        lost, same = q + difference, 1 - 2 * q - difference
        return (gains / q if gains else 0) + (losses / lost if losses else 0) - 2 * (n - gains - losses) / same
    low, high = max(0.0, -difference) + 1e-15, (1 - difference) / 2 - 1e-15
    for _ in range(200):
        middle = (low + high) / 2
        if slope(middle) > 0:
            low = middle
        else:
            high = middle
    q = (low + high) / 2 if gains + losses else max(0.0, -difference)
    spread = n * (2 * q + difference * (1 - difference))
    return (losses - gains - n * difference) / math.sqrt(spread)


def sign_flips(harms, limit):
    moved = [Fraction(h) - Fraction(limit) for h in harms]
    tie = Fraction(10) ** -11 * sum(abs(m) for m in moved)
    above = below = 0
    for pattern in range(2 ** len(moved)):
        flipped = sum(m for place, m in enumerate(moved) if pattern >> place & 1)
        above += flipped <= tie
        below += flipped >= -tie
    return above / 2 ** len(moved), below / 2 ** len(moved)


def t_test(center, error, freedom, limit, size):
    excess = center - limit
    if error <= 4 * math.ulp(size):
        equal = abs(excess) <= 4 * math.ulp(size)
        return (1.0 if equal or excess < 0 else 0.0), (1.0 if equal or excess > 0 else 0.0)
    return student_above(excess / error, freedom), student_above(-excess / error, freedom)


def mann_whitney(upper, lower, limit):
    lower = [v + limit for v in lower]
    wins = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x in upper for y in lower)
    n, m = len(upper), len(lower)
    tied = {}
    for v in upper + lower:
        tied[v] = tied.get(v, 0) + 1
    ties = sum(t ** 3 - t for t in tied.values())
    if ties == 0 and n < 50 and m < 50:
        # Arrangements by their number of wins, a value of either sample at a time.
        table = {(0, j): {0: 1} for j in range(m + 1)}
        for i in range(1, n + 1):
            table[i, 0] = {0: 1}
            for j in range(1, m + 1):
                ways = dict(table[i, j - 1])
                for u, count in table[i - 1, j].items():
                    ways[u + j] = ways.get(u + j, 0) + count
                table[i, j] = ways
        ways = table[n, m]
        everything = sum(ways.values())
        return (sum(c for u, c in ways.items() if u >= wins) / everything,
                sum(c for u, c in ways.items() if u <= wins) / everything)
    spread = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    if spread <= 0:
        return 1.0, 1.0
    away = wins - n * m / 2
    return normal_above((away - 0.5) / math.sqrt(spread)), normal_above((-away - 0.5) / math.sqrt(spread))


def wilson(part, n, z):
    p = part / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def newcombe(shares, weights, limit):
    """The z at which the hybrid interval's end reaches the limit."""
    harm = sum(w * a / n for w, (a, n) in zip(weights, shares))

    def ends(z):
        down = up = 0.0
        for w, (a, n) in zip(weights, shares):
            low, high = wilson(a, n, z)
            sides = sorted((w * low, w * high))
            down += (w * a / n - sides[0]) ** 2
            up += (sides[1] - w * a / n) ** 2
        return harm - math.sqrt(down), harm + math.sqrt(up)
    low, high = 0.0, 40.0
    for _ in range(100):
        z = (low + high) / 2
        if (ends(z)[0] > limit) if harm > limit else (ends(z)[1] < limit):
            low = z
        else:
            high = z
    z = low if harm > limit else -low
    return normal_above(z), normal_above(-z)


class Comparison:
    """One group that was tested."""

    def __init__(self, rule, place, above, below, n, noise, limit, detect, room, spread, value, baseline):
        self.rule, self.place = rule, place
        self.above, self.below, self.n, self.noise = above, below, n, noise
        self.limit, self.detect, self.room, self.spread = limit, detect, room, spread
        self.value, self.baseline = value, baseline
        self.adjusted = None


def read_harm(rule, baseline, logarithms):
    """Weights of both sides, the limit on their sum, what is to be found, and how far the limit is from no change."""
    kind, most, unit = next(limit for limit in rule["limits"] if limit[0] in RELATIVE)
    detect = rule["detect"]
    more = None if detect is None else abs(baseline) * detect[0] / 100 if detect[1] == "%" else detect[0]
    if kind == "ratio-at-most":
        if baseline <= 0:
            raise Inconclusive
        if more is not None and detect[1] != "%":
            more *= baseline
        if logarithms:
            more = None if more is None else math.log((most + more / baseline) / most)
            return 1, -1, math.log(most), more, math.log(most)
        return 1, -most, 0.0, more, most * baseline - baseline
    sign = -1 if kind == "drop-at-most" else 1
    if unit == "%":
        if baseline == 0:
            raise Inconclusive
        allowed = most / 100 * math.copysign(1, baseline)
        return sign, -sign - allowed, 0.0, more, allowed * baseline
    return sign, -sign, most, more, most


RELATIVE = ("drop-at-most", "rise-at-most", "ratio-at-most")


def pair(rule, sets, limit=None, counts=True):
    """One value per item and side, averaged over the cells; the baseline's items count."""
    drop = any(known[0] == "drop-at-most" for known in ([limit] if limit else rule["limits"]))
    pairs = [(ours.items(rule["metric"]), theirs.items(rule["metric"])) for cells in sets for ours, theirs in cells]
    binary = all(value in (0, 1) for both in pairs for side in both for _, _, value in side)
    common = lacking = 0
    outer = {}
    for cells in sets:
        inner = {}
        for ours, theirs in cells:
            mine = {i: (digest, value) for i, digest, value in ours.items(rule["metric"])}
            for i, digest, value in theirs.items(rule["metric"]):
                known = mine.get(i)
                if known is not None and (digest is None or known[0] is None or digest == known[0]):
                    common += 1
                    inner.setdefault(i, []).append((known[1], value))
                else:
                    lacking += 1
                    inner.setdefault(i, []).append((0 if drop else 1, value))
        for i, both in inner.items():
            outer.setdefault(i, []).append((sum(c for c, _ in both) / len(both), sum(b for _, b in both) / len(both)))
    # What the metric can be is told by the baseline alone.
    if lacking and not (counts and all(value in (0, 1) for _, theirs in pairs for _, _, value in theirs)):
        raise Incomplete
    if common < 0.95 * (common + lacking) - 1e-9:
        raise Inconclusive
    rows = [(sum(c for c, _ in both) / len(both), sum(b for _, b in both) / len(both))
            for _, both in sorted(outer.items())]
    return [c for c, _ in rows], [b for _, b in rows], binary, lacking


def run_test(rule, place, sets):
    has = [(o.items(rule["metric"]) is not None, t.items(rule["metric"]) is not None) for c in sets for o, t in c]
    if all(a and b for a, b in has):
        return paired_test(rule, place, sets)
    if any(a or b for a, b in has):
        raise Broken
    if len(has) > 1:
        raise Inconclusive
    return unpaired_test(rule, place, sets[0][0])


def is_ratio(rule):
    return any(limit[0] == "ratio-at-most" for limit in rule["limits"])


def paired_test(rule, place, sets):
    relative = next(item for item in rule["limits"] if item[0] in RELATIVE)
    absolute = not is_ratio(rule) and (relative[2] != "%" or relative[1] == 0)
    # An item that is lacking counts as wrong where one more wrong item can only speak against the candidate.
    one_cell = len(sets) == 1 and len(sets[0]) == 1
    ours, theirs, binary, _ = pair(rule, sets, counts=one_cell and absolute and rule["method"] is None)
    logarithms = is_ratio(rule) and not binary
    if logarithms and min(ours + theirs) <= 0:
        raise Inconclusive
    baseline = mean(theirs)
    a, b, limit, detect, room = read_harm(rule, baseline, logarithms)
    harms = [math.log(c) - math.log(d) if logarithms else a * c + b * d for c, d in zip(ours, theirs)]
    n = len(harms)
    spread = variance(harms)
    noise = ("variance", spread, n - 1)
    if binary and absolute and detect is not None and limit + detect > 1:
        raise Inconclusive
    single = binary and all(v in (0, 1) for v in ours + theirs)
    if rule["method"] == "mann-whitney":
        up = [a * (math.log(v) if logarithms else v) for v in ours]
        low = [-b * (math.log(v) if logarithms else v) for v in theirs]
        above, below = mann_whitney(up, low, limit)
        noise = ("variance", (variance(ours) + variance(theirs)) * math.pi / 3, n - 1)
    elif single and absolute:
        losses, gains = sum(h > 0 for h in harms), sum(h < 0 for h in harms)
        noise = ("flips", losses, n)
        if relative[1] == 0:
            above, below = binomial_half_at_least(losses, losses + gains), binomial_half_at_least(gains, losses + gains)
        else:
            z = tango(losses, gains, n, limit)
            above, below = normal_above(z), normal_above(-z)
    elif n < 30:
        above, below = sign_flips(harms, limit)
    else:
        size = max([abs(h) for h in harms] + ([] if logarithms else [abs(v) for v in ours + theirs]) + [abs(limit)])
        above, below = t_test(mean(harms), math.sqrt(spread / n), n - 1, limit, size)
    return Comparison(rule, place, above, below, n, noise, limit, detect, room, spread, mean(ours), baseline)


def unpaired_test(rule, place, cells):
    ours, theirs = cells[0].merged(rule["metric"]), cells[1].merged(rule["metric"])
    if not isinstance(ours, dict) or not isinstance(theirs, dict) or ours["kind"] != theirs["kind"]:
        raise Inconclusive
    kind = ours["kind"]
    ranks = rule["method"] == "mann-whitney"
    if kind == "ratio":
        shares = []
        for side in (ours, theirs):
            part, count = side["numerator"], side["denominator"]
            if part != int(part) or count != int(count) or not 0 <= part <= count or count == 0 or ranks:
                raise Inconclusive
            shares.append((part, count))
        p, q = (part / count for part, count in shares)
        a, b, limit, detect, room = read_harm(rule, q, False)
        above, below = newcombe(shares, (a, b), limit)
        spread = a * a * p * (1 - p) + b * b * q * (1 - q)
        n = int(min(shares[0][1], shares[1][1]))
        return Comparison(rule, place, above, below, n, ("variance", spread, n), limit, detect, room, spread, p, q)
    if kind == "samples":
        sides = [(len(s["values"]), mean(s["values"]), variance(s["values"])) for s in (ours, theirs)]
    elif kind == "mean" and not ranks:
        sides = [(int(s["n"]), s["mean"], s["m2"] / (s["n"] - 1) if s["n"] > 1 else 0.0) for s in (ours, theirs)]
    else:
        raise Inconclusive
    logarithms = is_ratio(rule) and ranks
    if logarithms and min(ours["values"] + theirs["values"]) <= 0:
        raise Inconclusive
    a, b, limit, detect, room = read_harm(rule, sides[1][1], logarithms)
    n = min(sides[0][0], sides[1][0])
    if ranks:
        def side(values, weight):
            return [weight * (math.log(v) if logarithms else v) for v in values]
        up, low = side(ours["values"], a), side(theirs["values"], -b)
        above, below = mann_whitney(up, low, limit)
        spread = (variance(up) + variance(low)) * math.pi / 3
    else:
        if n < 2:
            raise Inconclusive
        parts = [a * a * sides[0][2] / sides[0][0], b * b * sides[1][2] / sides[1][0]]
        error = math.sqrt(sum(parts))
        freedom = sum(parts) ** 2 / sum(p * p / (s[0] - 1) for p, s in zip(parts, sides)) if error > 0 else 1
        sizes = [abs(v) for s in (ours, theirs) for v in s.get("values", [])] or [abs(s[1]) for s in sides]
        above, below = t_test(a * sides[0][1] + b * sides[1][1], error, freedom, limit, max(sizes + [abs(limit)]))
        spread = a * a * sides[0][2] + b * b * sides[1][2]
    return Comparison(rule, place, above, below, n, ("variance", spread, max(1, n - 1)), limit, detect, room, spread,
                      sides[0][1], sides[1][1])


def items_needed(noise, limit, more, rate):
    z, y = NORMAL.inv_cdf(1 - rate), NORMAL.inv_cdf(0.8)
    if noise[0] == "flips":
        target = abs(limit + more)
        flipping = min(1.0, max(target, 2 * noise[1] / noise[2] - target))
        at_limit, at_target = max(0.0, flipping - limit ** 2), max(0.0, flipping - (limit + more) ** 2)
    else:
        at_limit = at_target = noise[1]
    return max(1, math.ceil(((z * math.sqrt(at_limit) + y * math.sqrt(at_target)) / more) ** 2))


def pool(noises):
    if noises[0][0] == "flips":
        return "flips", sum(n[1] for n in noises), sum(n[2] for n in noises)
    weight = sum(n[2] for n in noises)
    return "variance", sum(n[1] * n[2] for n in noises) / weight if weight else noises[0][1], weight


def decide(comparison, peers, rate):
    rule = comparison.rule
    if rule["test"] == "non-inferiority":
        if comparison.below < rule["false_pass_rate"]:
            return "pass"
        return "fail" if comparison.above < rule["false_pass_rate"] else "inconclusive"
    if comparison.adjusted < rate:
        return "fail"
    if rule["n_at_least"] is not None:
        needed = rule["n_at_least"]
    elif comparison.detect is None or comparison.detect <= 0:
        return "inconclusive"
    else:
        needed = items_needed(comparison.noise, comparison.limit, comparison.detect, rate)
        if peers:
            # Nothing is lost: all together may say that fewer are enough.
            same = [c.noise for c in peers if c.noise[0] == comparison.noise[0]]
            needed = min(needed, items_needed(pool(same), comparison.limit, comparison.detect, rate))
        # Fewer than this find nothing, whatever they say: the best p of n signs is 2 ** -n.
        least = 1
        while 0.5 ** least >= rate / comparison.family and least < 64:
            least += 1
        needed = max(needed, least)
    return "pass" if comparison.n >= needed else "inconclusive"


def holm(values):
    count = len(values)
    order = sorted(range(count), key=lambda i: values[i])
    adjusted, highest = list(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (count - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def benjamini_hochberg(values):
    count = len(values)
    order = sorted(range(count), key=lambda i: values[i])
    adjusted, lowest = list(values), 1.0
    for rank in reversed(range(count)):
        lowest = min(lowest, values[order[rank]] * count / (rank + 1))
        adjusted[order[rank]] = lowest
    return adjusted


# ---- the whole ------------------------------------------------------------------------------------------------------


def floors_of(rule, rules, run, baseline):
    """What plain limits on the same metric say, by the cells that they look at together."""
    together = []
    for other in rules:
        limits = other["limits"] if other is not rule else [x for x in rule["limits"] if x[0] not in RELATIVE]
        if not limits or any(limit[0] in RELATIVE for limit in limits):
            continue
        if other["metric"] != rule["metric"] or other["statistic"] != rule["statistic"]:
            continue
        if other is not rule and rule["required"] and not other["required"]:
            continue
        floor = dict(other, limits=limits, test="none", when=True)
        groups = judge_gate(floor, rules, run, baseline, [])
        waive([{"gate": other["name"], "groups": groups}], run.case)
        places = groups_of(floor, next(iter(run.jobs.values()))).values()
        for index, (_, sets) in enumerate(places):
            good = len(groups) == len(places) and groups[index]["verdict"] in ("pass", "waived")
            together.append(({id(cell) for cells in sets for cell in cells}, good))
    return together


def floors_pass(floors, cells):
    """Whether whatever looks at any of these cells passes, and each is looked at."""
    looking = [(looked, good) for looked, good in floors if looked & cells]
    return all(good for _, good in looking) and cells <= set().union(*[looked for looked, _ in looking])


def judge_gate(rule, rules, run, baseline, comparisons):
    """The gate's groups; those that are tested are left open, and added to `comparisons`."""
    cells = next(iter(run.jobs.values()))
    relative = [limit for limit in rule["limits"] if limit[0] in RELATIVE]
    if rule["test"] != "none":
        median = rule["statistic"] == 0.5 and rule["method"] == "mann-whitney"
        if len(relative) != 1 or (rule["statistic"] is not None and not median) or rule["aggregate"] != "mean" \
                or rule["weight"] \
                or (rule["test"] == "regression" and rule["detect"] is None and rule["n_at_least"] is None):
            return [{"where": {}, "verdict": "incomplete"}]
    floors = []
    if relative and (rule["first"] or rule["new_cells"]):
        floors = floors_of(rule, rules, run, baseline)
    theirs = {}
    for cell in [] if baseline is None else next(iter(baseline.jobs.values())):
        theirs.setdefault(cell.key, []).append(cell)
    groups = groups_of(rule, cells)
    answers = {}
    if not groups:
        return [{"where": {}, "verdict": "incomplete"}]
    for key, (place, sets) in groups.items():
        group = {"where": place, "verdict": "incomplete", "value": None, "n": None, "p": None}
        answers[key] = group
        try:
            value, n, *_ = read_group(rule, sets)
        except Fail:
            group["verdict"] = "fail"
            continue
        except Incomplete:
            continue
        group["value"], group["n"] = value, n
        verdicts = [plain(limit, value) for limit in rule["limits"] if limit[0] not in RELATIVE]
        opened = None
        if relative:
            if baseline is None:
                asked = {id(cell) for cells in sets for cell in cells}
                verdicts.append("pass" if rule["first"] and floors_pass(floors, asked) else "inconclusive")
                group["broken"] = not rule["first"]
            elif baseline.tree == run.tree:
                verdicts.append("inconclusive")
                group["broken"] = True
            elif never_measured(rule, baseline):
                asked = {id(cell) for cells in sets for cell in cells}
                verdicts.append("pass" if rule["first"] and floors_pass(floors, asked) else "inconclusive")
                group["broken"] = not rule["first"]
            else:
                try:
                    result = compare(rule, relative, place, sets, theirs, floors, verdicts)
                except Broken:
                    result, group["broken"] = "inconclusive", True
                if isinstance(result, Comparison):
                    opened = result
                else:
                    verdicts.append(result)
                if rule["aggregate"] != "mean":
                    group["value"] = "that of the set which decides"
        group["verdict"] = worst(verdicts or ["pass"])
        if opened:
            opened.group = group
            comparisons.append(opened)
    if relative and baseline is not None and baseline.tree != run.tree and not never_measured(rule, baseline):
        ours = {cell.key for cell in cells}
        for cell in next(iter(baseline.jobs.values())):
            if cell.key in ours or not cell.required or cell.skipped is not None:
                continue
            (key, (place, _)), = groups_of(rule, [cell]).items()
            if key not in answers:
                answers[key] = {"where": place, "verdict": "pass", "value": None, "n": None, "p": None, "vanished": True}
            group = answers[key]
            if group["verdict"] in ("pass", "inconclusive"):
                group["vanished"] = group.get("vanished") or group["value"] is not None and not group.get("broken")
            group["verdict"] = worst([group["verdict"], "incomplete"])
    return list(answers.values())


def never_measured(rule, baseline):
    """Whether nothing went wrong in the baseline, and nothing in it reports the metric."""
    asked = [cell for cell in next(iter(baseline.jobs.values())) if cell.skipped is None]
    if not any(cell.required for cell in asked):
        return False
    for cell in asked:
        if cell.required and cell.status != "passed":
            return False
        for line in cell.all_lines:
            if "" in line["metrics"] or rule["metric"] in line["metrics"] or line.get("absent"):
                return False
            if any(rule["metric"] in item for item in line.get("items", [])):
                return False
    return True


def is_lost(rule, cell):
    """It did not have to pass, and there is nothing of it to compare with."""
    if cell.required:
        return False
    try:
        cell.read(rule["metric"], rule["statistic"])
    except (Fail, Incomplete):
        return True
    return False


def compare(rule, relative, place, sets, theirs, floors, verdicts_beside):
    """A verdict, or a comparison that waits for its family; what else is said of the group stands beside."""
    if any(len(theirs.get(cell.key, [])) > 1 for cells in sets for cell in cells):
        return "inconclusive"
    if any(theirs[cell.key][0].skipped is not None for cells in sets for cell in cells if cell.key in theirs):
        return "inconclusive"
    theirs = {key: cells[0] for key, cells in theirs.items() if not is_lost(rule, cells[0])}
    new = {id(cell) for cells in sets for cell in cells if cell.key not in theirs}
    if new and not rule["new_cells"]:
        return "inconclusive"
    # Each new cell has to be vouched for by limits that look at nothing but new cells of this group.
    vouched = set().union(*[cells for cells, _ in floors if cells <= new])
    if new and (not floors_pass(floors, new) or vouched != new):
        verdicts_beside.append("inconclusive")
    kept = [[cell for cell in cells if cell.key in theirs] for cells in sets]
    kept = [cells for cells in kept if cells]
    if not kept:
        return "pass"
    try:
        mine, *kind = read_sets(rule, kept)
        known, *other_kind = read_sets(rule, [[theirs[cell.key] for cell in cells] for cells in kept])
        combine(rule, known)
    except (Fail, Incomplete):
        raise Broken
    if kind and other_kind and kind != other_kind:
        raise Broken
    if rule["test"] == "none":
        has = [(o.items(rule["metric"]) is not None, t.items(rule["metric"]) is not None)
               for o, t in [(cell, theirs[cell.key]) for cells in kept for cell in cells]]
        per_item = all(a and b for a, b in has)
        if not per_item and any(b for _, b in has):
            raise Broken
        if rule["aggregate"] == "mean":
            parts = [list(range(len(kept)))]
        else:
            parts = [[place] for place in range(len(kept))]
        verdicts = []
        for limit in relative:
            # By part: what is compared, once for the whole values and once for the baseline's items.
            whole, by_items, refused = [], [], []
            for part in parts:
                sets = [kept[place] for place in part]
                if rule["weight"]:
                    value = combine(rule, [(mine[place][0], known[place][1]) for place in part])[0]
                else:
                    value = combine(rule, [mine[place] for place in part])[0]
                other = combine(rule, [known[place] for place in part])[0]
                whole.append((value, other))
                by_items.append((value, other))
                if not per_item:
                    continue
                try:
                    alike = rule["statistic"] is None and not rule["weight"]
                    ours, older, _, lacking = pair(
                        rule, [[(cell, theirs[cell.key]) for cell in cells] for cells in sets], limit, alike)
                except Incomplete:
                    refused.append("incomplete")
                except Inconclusive:
                    refused.append("inconclusive")
                else:
                    by_items[-1] = (mean(ours), mean(older)) if lacking else (on_baseline(rule, sets, theirs), other)
            averaged = any(sum(len(kept[place]) for place in part) > 1 for part in parts)
            quantiles = None if isinstance(rule["aggregate"], str) or len(kept) == 1 else rule["aggregate"]["quantile"]
            for pairs in (whole, by_items):
                if quantiles is None:
                    for part, (value, other) in zip(parts, pairs):
                        several = sum(len(kept[place]) for place in part) > 1
                        verdicts.append(estimate(limit, value, other, several))
                else:
                    verdicts.append(estimate_quantile(limit, quantiles, pairs, averaged))
            verdicts += refused
        return worst(verdicts)
    try:
        return run_test(rule, place, [[(cell, theirs[cell.key]) for cell in cells] for cells in kept])
    except Incomplete:
        return "incomplete"
    except Inconclusive:
        return "inconclusive"


def on_baseline(rule, kept, theirs):
    """The candidate's value of the items that the baseline has; all of them are there."""
    averages = []
    for cells in kept:
        readings = []
        for cell in cells:
            mine = {i: value for i, _, value in cell.items(rule["metric"])}
            values = [mine[i] for i, _, _ in theirs[cell.key].items(rule["metric"])]
            q = rule["statistic"]
            readings.append((mean(values) if q is None else quantile(values, q), len(values)))
        averages.append((mean([value for value, _ in readings]), sum(n for _, n in readings)))
    return combine(rule, averages)[0]


def judge(case):
    quarantine(case)
    run = Run(case["results"])
    run.case = case
    baseline = Run(case["baseline"]) if case["baseline"] else None
    jobs = []
    for cells in run.jobs.values():
        for cell in cells:
            if cell.status in ("passed", "skipped") or cell.neutral:
                jobs.append("pass")
            else:
                jobs.append("incomplete" if cell.status == "incomplete" else "fail")
    gates = settled_gates(case, run, baseline, None)
    waive(gates, case)
    required = [worst(jobs)] + [g["verdict"] for g in gates if g["required"] and g["applies"]]
    answer = {"verdict": worst(required), "jobs": worst(jobs), "gates": gates}
    if case.get("named") is not None:
        answer["named"] = settled_gates(case, run, baseline, case["named"])
        waive(answer["named"], case)
    return answer


def settled_gates(case, run, baseline, named):
    """Gates with their tests decided. With `named`, only these are judged: all others' comparisons found nothing."""
    rules, rate = case["rules"], case["rate"]
    gates, comparisons = [], []
    asked = [rule for rule in rules if named is None or rule["name"] in named]
    for rule in asked:
        groups = [] if rule["when"] is False else judge_gate(rule, rules, run, baseline, comparisons)
        gates.append({"gate": rule["name"], "required": rule["required"], "groups": groups,
                      "applies": rule["when"] is not False})
    for required in (True, False):
        # One p for every group that was planned: found, lost (as if all had been found), or nothing to find.
        members, others = [], []
        for rule in rules:
            if rule not in asked and rule["test"] == "regression" and rule["required"] == required:
                others += [1.0] * max(1, len(groups_of(rule, next(iter(run.jobs.values())))))
        for rule, gate in zip(asked, gates):
            if rule["test"] != "regression" or rule["required"] != required:
                continue
            planned = max(1, len(groups_of(rule, next(iter(run.jobs.values())))))
            own = [c for c in comparisons if c.rule is rule]
            idle = planned
            if gate["applies"]:
                opened = [id(c.group) for c in own]
                idle = sum(g["verdict"] in ("pass", "waived") and id(g) not in opened for g in gate["groups"])
            idle = min(idle, planned - len(own))
            members += own
            others += [1.0] * idle + [0.0] * (planned - len(own) - idle)
        adjust = holm if required else benjamini_hochberg
        for c, p in zip(members, adjust([c.above for c in members] + others)):
            c.adjusted, c.family = p, len(members) + len(others)
    whole = {}
    for rule, gate in zip(asked, gates):
        opened = [id(c.group) for c in comparisons if c.rule is rule]
        whole[rule["name"]] = all(id(g) in opened or g["verdict"] in ("pass", "waived") for g in gate["groups"])
    for c in comparisons:
        peers = [other for other in comparisons if other.rule is c.rule] if whole[c.rule["name"]] else []
        c.group["verdict"] = worst([c.group["verdict"], decide(c, peers, rate)])
        c.group["p"] = c.above if c.rule["test"] == "regression" else c.below
        c.group["value"], c.group["n"], c.group["adjusted"] = c.value, c.n, c.adjusted
    for gate in gates:
        gate["verdict"] = worst([g["verdict"] for g in gate["groups"]]) if gate["groups"] else "not_applicable"
    return gates


# ---- waivers --------------------------------------------------------------------------------------------------------


def day_of(case):
    return (case["results"][0].get("provenance") or {}).get("submitted_at", "")[:10]


def covers(waiver, place):
    return all(axis in place and place[axis] == value for axis, value in waiver["where"].items())


def quarantine(case):
    """Cells that do not have to pass, by somebody's word that still holds on the day of the submission."""
    for waiver in case.get("waivers", []):
        if waiver["job"] is None or not day_of(case) or waiver["until"] < day_of(case):
            continue
        for job in case["results"][0]["plan"]["jobs"]:
            for cell in job["cells"]:
                if job["id"] == waiver["job"] and covers(waiver, cell["values"]):
                    cell["required"] = False


def waive(gates, case):
    """What was measured and does not hold, or is not decided, may be waived, and a cell that is no longer planned; what is
    missing or broken never."""
    for gate in gates:
        for group in gate["groups"]:
            measured = group.get("value") is not None and not group.get("broken")
            if not (group.get("vanished") or measured and group["verdict"] in ("fail", "inconclusive")):
                continue
            if any(waiver["gate"] == gate["gate"] and covers(waiver, group["where"]) and day_of(case)
                   and waiver["until"] >= day_of(case) for waiver in case.get("waivers", [])):
                group["verdict"] = "waived"
        gate["verdict"] = worst([g["verdict"] for g in gate["groups"]]) if gate["groups"] else "not_applicable"


# ---- blame ----------------------------------------------------------------------------------------------------------


def blame(cells):
    """The set of at most three axis values that tells failing cells from others best, by Fisher's exact test."""
    failing = sum(fails for _, fails in cells)
    if failing in (0, len(cells)):
        return None
    axes = sorted({axis for values, _ in cells for axis in values})
    telling = [axis for axis in axes if len({canonical(values.get(axis)) for values, _ in cells}) > 1]
    terms = {frozenset()}
    for values, _ in cells:
        own = [(axis, canonical(values[axis])) for axis in telling if axis in values]
        terms |= {frozenset(part) for size in (1, 2, 3) for part in combinations(own, size)}
    terms.discard(frozenset())
    best = None
    for term in terms:
        inside = [fails for values, fails in cells if all(canonical(values.get(a)) == v for a, v in term)]
        failed = sum(inside)
        if failed == 0 or len(inside) == len(cells):
            continue
        ways = sum(math.comb(failing, k) * math.comb(len(cells) - failing, len(inside) - k)
                   for k in range(failed, min(failing, len(inside)) + 1))
        p = Fraction(ways, math.comb(len(cells), len(inside)))
        if best is None or (p, len(term)) < best[:2]:
            best = (p, len(term), failed, len(inside))
    p = min(1.0, float(best[0]) * len(terms)) if best else 1.0
    if p >= 0.05:
        return None
    return {"p": p, "searched": len(terms), "values": best[1], "failed": best[2], "cells": best[3]}


if __name__ == "__main__":
    for text in sys.stdin:
        case = json.loads(text)
        print(json.dumps({"blame": blame(case["blame"])} if "blame" in case else judge(case)))
