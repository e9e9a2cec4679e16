"""Prints reference.tsv: what SciPy and R answer, for the tests of Sheaf's statistics to read.

Run by hand where the functions or the cases change, with SciPy and R at hand:

    python3 Tests/GatesTests/Reference/reference.py > Tests/GatesTests/Reference/reference.tsv

A line is: function, arguments, answers, where the answers come from; tab-separated, numbers separated by spaces, lists
of numbers within by commas.
"""

import json
import random
import subprocess
import sys

import numpy
import scipy
from scipy import optimize, stats


def r(script):
    """The numbers that an R script prints."""
    run = subprocess.run(
        ["Rscript", "--vanilla", "-e", "options(digits=17);" + script],
        capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    return [float(word) for word in run.stdout.split()]


def vector(values):
    return "c(" + ",".join(repr(float(v)) for v in values) + ")"


def show(value):
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return ",".join(repr(float(v)) for v in value)
    return repr(float(value)) if not isinstance(value, int) else str(value)


def line(function, arguments, answers, source):
    print("\t".join([function, " ".join(map(show, arguments)), " ".join(show(float(a)) for a in answers), source]))


def sample(random, count, places, shift=0.0, scale=1.0):
    return [round(shift + scale * random.gauss(0, 1), places) for _ in range(count)]


def distributions():
    for z in [-9.0, -1.5, 0.0, 0.3, 1.6448536269514722, 3.0, 8.0, 20.0, 37.0]:
        line("normal_above", [z], [stats.norm.sf(z)], "scipy norm.sf")
    for p in [1e-300, 1e-12, 0.0005, 0.05, 0.5, 0.8, 0.95, 0.9999]:
        line("normal_quantile", [p], [stats.norm.ppf(p)], "scipy norm.ppf")
    for t in [-4.0, -0.5, 0.0, 1.0, 2.5, 12.0, 60.0]:
        for freedom in [1.0, 2.5, 7.0, 28.3, 499.0, 1e6]:
            line("student_above", [t, freedom], [stats.t.sf(t, freedom)], "scipy t.sf")
    for p in [1e-9, 0.01, 0.5, 0.95, 0.999]:
        for freedom in [1.0, 3.7, 30.0, 5000.0]:
            line("student_quantile", [p, freedom], [stats.t.ppf(p, freedom)], "scipy t.ppf")
    for k, n, p in [(0, 10, 0.5), (3, 10, 0.5), (10, 10, 0.5), (40, 60, 0.5), (300, 500, 0.5), (5, 7, 0.01),
                    (60, 60, 0.5), (1_000_500, 2_000_000, 0.5)]:
        line("binomial_at_least", [k, n, p], [stats.binom.sf(k - 1, n, p)], "scipy binom.sf")
    for k, drawn, marked, total in [(8, 8, 9, 96), (1, 8, 9, 96), (3, 5, 10, 20), (40, 100, 50, 10_000), (2, 3, 3, 3),
                                    (90, 100, 5000, 10_000)]:
        answer = stats.hypergeom.sf(k - 1, total, marked, drawn)
        line("hypergeometric_at_least", [k, drawn, marked, total], [answer], "scipy hypergeom.sf")


def tango_z(losses, gains, count, difference):
    """Tango's statistic, with the restricted estimate found by maximising the likelihood itself."""
    def minus_log(q):
        lost = q + difference
        same = 1 - q - lost
        parts = [(gains, q), (losses, lost), (count - gains - losses, same)]
        return -sum(n * numpy.log(p) for n, p in parts if n > 0)
    low, high = max(0.0, -difference), (1 - difference) / 2
    q = optimize.minimize_scalar(minus_log, bounds=(low + 1e-13, high - 1e-13), method="bounded",
                                 options={"xatol": 1e-13}).x
    variance = count * (2 * q + difference - difference ** 2)
    return (losses - gains - count * difference) / numpy.sqrt(variance)


def paired_shares():
    for losses, gains in [(0, 0), (1, 0), (5, 2), (2, 5), (30, 30), (41, 22), (8, 0), (600, 500)]:
        beyond = stats.binomtest(losses, losses + gains, 0.5, alternative="greater").pvalue if losses + gains else 1
        within = stats.binomtest(gains, losses + gains, 0.5, alternative="greater").pvalue if losses + gains else 1
        line("mcnemar", [losses, gains], [beyond, within], "scipy binomtest")
    for losses, gains, count, rate in [(1, 0, 44, 0.025), (41, 22, 1000, 0.05), (30, 30, 1000, 0.05), (8, 1, 30, 0.025),
                                       (0, 5, 60, 0.05), (12, 40, 80, 0.1)]:
        z = stats.norm.ppf(1 - rate)
        ends = [optimize.brentq(lambda d: tango_z(losses, gains, count, d) - side, -0.999, 0.999, xtol=1e-12)
                for side in (z, -z)]
        line("tango_interval", [losses, gains, count, rate], ends, "scipy brentq, by likelihood")
    for losses, gains, count, limit in [(41, 22, 1000, 0.01), (30, 30, 1000, 0.01), (8, 1, 30, 0.05), (12, 40, 80, 0.1),
                                        (25, 3, 500, -0.02), (7, 9, 200, 0.03)]:
        z = tango_z(losses, gains, count, limit)
        line("tango_test", [losses, gains, count, limit], [stats.norm.sf(z), stats.norm.sf(-z)], "scipy, by likelihood")


def paired_numbers(random):
    for count, limit in [(30, 0.0), (57, 0.1), (400, -0.05)]:
        values = sample(random, count, 3, shift=0.05)
        low, high = stats.ttest_1samp(values, limit).confidence_interval(0.9)
        answers = [stats.ttest_1samp(values, limit, alternative=a).pvalue for a in ("greater", "less")]
        line("paired_t", [limit, 0.05, values], answers + [low, high], "scipy ttest_1samp")
        script = (f"x<-{vector(values)};cat(t.test(x,mu={limit},alternative='greater')$p.value,"
                  f"t.test(x,mu={limit},alternative='less')$p.value,t.test(x,conf.level=0.9)$conf.int)")
        line("paired_t", [limit, 0.05, values], r(script), "R t.test")
    for count, places in [(2, 2), (3, 2), (8, 3), (12, 1), (15, 3)]:
        values = sample(random, count, places, shift=0.4)
        answers = []
        for alternative in ("greater", "less"):
            test = stats.permutation_test((values,), lambda x, axis: numpy.sum(x, axis=axis), vectorized=True,
                                          permutation_type="samples", n_resamples=numpy.inf, alternative=alternative)
            answers.append(test.pvalue)
        line("sign_flips", [0.0, values], answers, "scipy permutation_test")


def unpaired(random):
    for first, other, limit in [(12, 15, 0.0), (300, 40, 0.2), (5, 5, -0.5)]:
        x = sample(random, first, 3, shift=0.5, scale=2.0)
        y = sample(random, other, 3)
        moved = [v + limit for v in y]
        answers = [stats.ttest_ind(x, moved, equal_var=False, alternative=a).pvalue for a in ("greater", "less")]
        interval = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.9)
        line("welch", [limit, 0.05, x, y], answers + [interval.low, interval.high], "scipy ttest_ind")
        script = (f"x<-{vector(x)};y<-{vector(y)};cat(t.test(x,y,mu={limit},alternative='greater')$p.value,"
                  f"t.test(x,y,mu={limit},alternative='less')$p.value,t.test(x,y,conf.level=0.9)$conf.int)")
        line("welch", [limit, 0.05, x, y], r(script), "R t.test")
    for first, other, places in [(6, 7, 5), (20, 25, 6), (49, 30, 6), (12, 14, 0), (60, 80, 3), (200, 150, 1)]:
        x = sample(random, first, places, shift=1.0, scale=2.0)
        y = sample(random, other, places, scale=1.5)
        ties = len(set(x + y)) < first + other
        exact = first < 50 and other < 50 and not ties
        answers = [stats.mannwhitneyu(x, y, alternative=a, method="exact" if exact else "asymptotic").pvalue
                   for a in ("greater", "less")]
        line("mann_whitney", [0.0, x, y], answers, "scipy mannwhitneyu")
        script = (f"x<-{vector(x)};y<-{vector(y)};e<-{'TRUE' if exact else 'FALSE'};"
                  "cat(wilcox.test(x,y,alternative='greater',exact=e)$p.value,"
                  "wilcox.test(x,y,alternative='less',exact=e)$p.value)")
        line("mann_whitney", [0.0, x, y], r(script), "R wilcox.test")
        line("hodges_lehmann", [x, y], [numpy.median(numpy.subtract.outer(x, y))], "numpy")
        if exact:
            script = (f"x<-{vector(x)};y<-{vector(y)};"
                      "cat(wilcox.test(x,y,conf.int=TRUE,conf.level=0.9,exact=TRUE)$conf.int)")
            line("hodges_lehmann_interval", [0.05, x, y], r(script), "R wilcox.test")
    for a, n, b, m, rate in [(56, 70, 48, 80, 0.025), (9, 10, 3, 10, 0.025), (0, 10, 0, 20, 0.025), (10, 10, 20, 20, 0.025),
                             (910, 1000, 930, 1000, 0.05)]:
        # prop.test without correction gives Wilson's interval; the hybrid of two is Newcombe's method 10.
        script = (f"w<-function(x,n)prop.test(x,n,conf.level={1 - 2 * rate},correct=FALSE)$conf.int;"
                  f"u<-suppressWarnings(w({a},{n}));v<-suppressWarnings(w({b},{m}));p<-{a}/{n};q<-{b}/{m};"
                  "cat(p-q-sqrt((p-u[1])^2+(v[2]-q)^2),p-q+sqrt((u[2]-p)^2+(q-v[1])^2))")
        line("newcombe", [a, n, b, m, rate], r(script), "R prop.test, two of them")
    # Newcombe's own table II, to the four decimals that he prints.
    for a, n, b, m, low, high in [(56, 70, 48, 80, 0.0524, 0.3339), (9, 10, 3, 10, 0.1705, 0.8090),
                                  (5, 56, 0, 29, -0.0381, 0.1926)]:
        line("newcombe_printed", [a, n, b, m, 0.025], [low, high], "Newcombe 1998, table II")


def families(random):
    for count in [1, 5, 24]:
        values = [round(random.random() ** 3, 6) for _ in range(count)]
        line("holm", [values], r(f"cat(p.adjust({vector(values)},'holm'))"), "R p.adjust")
        line("benjamini_hochberg", [values], r(f"cat(p.adjust({vector(values)},'BH'))"), "R p.adjust")
        line("benjamini_hochberg", [values], stats.false_discovery_control(values), "scipy false_discovery_control")


if __name__ == "__main__":
    version = subprocess.run(["Rscript", "--vanilla", "-e", "cat(R.version$major, R.version$minor, sep='.')"],
                             capture_output=True, text=True).stdout
    print(f"# SciPy {scipy.__version__}, R {version}; written by reference.py")
    chance = random.Random(20)
    distributions()
    paired_shares()
    paired_numbers(chance)
    unpaired(chance)
    families(chance)
