"""Reads JUnit from standard input with two libraries from PyPI, and says what both count: tests, failures, errors, skipped.

Ends with 1 when they do not agree, with 2 when they are not installed (`--installed` asks only that).
"""

import sys
import tempfile

try:
    from junit2htmlreport import parser as junit2html
    from junitparser import Error, Failure, JUnitXml, Skipped
except ImportError:
    sys.exit(2)

if "--installed" in sys.argv:
    sys.exit(0)

text = sys.stdin.read()
kinds = {Failure: 0, Error: 0, Skipped: 0}
count = 0
for suite in JUnitXml.fromstring(text.encode()):
    for case in suite:
        count += 1
        for result in case.result:
            kinds[type(result)] += 1
first = (count, kinds[Failure], kinds[Error], kinds[Skipped])

with tempfile.NamedTemporaryFile(suffix=".xml") as file:
    file.write(text.encode())
    file.flush()
    report = junit2html.Junit(file.name)
cases = [case for suite in report.suites for case in suite.all()]
second = (
    len(cases),
    sum(case.failed() for case in cases),
    sum(case.errored() if hasattr(case, "errored") else False for case in cases),
    sum(bool(case.skipped) for case in cases),
)
print(*first)
# The second counts errors as failures.
if first[0] != second[0] or first[1] + first[2] != second[1] + second[2] or first[3] != second[3]:
    print("the readers do not agree:", second)
    sys.exit(1)
