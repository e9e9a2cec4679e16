"""Writes the first inputs of each fuzz target into Tests/Fuzz/Corpus/TARGET. Run by hand; inputs that once broke something
(their names begin with `found-`) are kept as they are:

    python3 Tests/Fuzz/make_seeds.py
"""

import json
import pathlib
import struct
import zlib

here = pathlib.Path(__file__).parent
root = here.parent.parent


def write(target, name, data):
    folder = here / "Corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


# protobuf, as small as it goes


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def data(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def frame(content):
    return struct.pack(">I", len(content)) + content


# texts

CALLER = """on: push
jobs:
  b: {runs-on: x, outputs: {o: "1"}, steps: [{run: y}]}
  a:
    needs: b
    uses: ./c.yml
    strategy: {matrix: {v: [1, 2]}}
    with: {i: "${{ matrix.v }}", n: 3, f: true}
  d: {needs: a, runs-on: x, steps: [{id: s, uses: ./a, with: {who: "${{ needs.a.outputs.o }}"}}]}
"""
CALLED = """on: {workflow_call: {inputs: {i: {type: string}, n: {type: number}, f: {type: boolean, default: false}},
  outputs: {o: {value: "${{ jobs.j.outputs.o }}"}}}}
jobs:
  j: {if: inputs.f, runs-on: "${{ inputs.i }}", outputs: {o: "${{ inputs.n }}"}, steps: [{run: y}]}
  k: {needs: j, runs-on: x, steps: [{uses: ./a}]}
"""
ACTION = """inputs: {who: {required: true, default: "${{ github.actor }}"}}
outputs: {said: {value: "${{ steps.s.outputs.said }}"}}
runs: {using: composite, steps: [{id: s, run: 'echo ${{ inputs.who }}', shell: bash, if: success()}]}
"""
write("called", "whole", "\0".join([CALLER, CALLED, ACTION]))
write("called", "match", """sheaf: 1
on: push
jobs:
  b: {runs-on: x, strategy: {matrix: {v: [1, 2]}}, steps: [{run: y}]}
  t: {needs: {job: b, match: [v]}, runs-on: x, strategy: {matrix: {v: [1, 2]}}, steps: [{uses: ./a}]}
\0\0runs: {using: node20, main: m.js, post: p.js, post-if: always()}
""")
write("events", "push", """on:
  push: {branches: [main, "releases/**", "!releases/**-alpha"], paths-ignore: ["docs/**", "*.[mM]d"]}
  pull_request: {types: [opened, labeled], branches-ignore: ["x+y?"]}
\0""" + json.dumps({"name": "push", "ref": "refs/heads/releases/1", "changed": ["docs/a", "src/b.c"]}))
write("events", "dispatch", """on: {workflow_dispatch: {inputs: {n: {type: number, required: true}, c: {type: choice, options: [a, b]}}}}
\0""" + json.dumps({"name": "workflow_dispatch", "inputs": {"n": "3", "c": "a"}}))

write("workflow", "example", (root / "docs/examples/iris/eval.yml").read_bytes())
write("workflow", "matrix", """\
on: [push, pull_request]
jobs:
  a:
    runs-on: ubuntu-latest
    strategy:
      max-parallel: 2
      matrix:
        os: [linux, {name: mac, n: 1}]
        v: [1, 2.0, "3"]
        include: [{os: linux, extra: true}, {os: bsd, v: 9}]
        exclude: [{v: 2.0}]
    steps:
      - run: echo ${{ matrix.os.name || matrix.os }} ${{ join(matrix.*, ',') }}
  b:
    needs: [a]
    if: ${{ always() && needs.a.result != 'failure' }}
    runs-on: [self-hosted]
    outputs: {best: "${{ steps.one.outputs.x }}"}
    steps:
      - {id: one, run: "true", env: {A: 1}, shell: bash, working-directory: x}
""")
write("workflow", "anchors", "sheaf: 1\non: push\nx: &a [1, 2]\njobs:\n  j: {runs-on: *a, steps: [{run: 'x'}]}\n")
write("workflow", "sheaf", """\
sheaf: 1
name: all
on: {workflow_dispatch: {inputs: {n: {type: number, default: 3}, k: {type: choice, options: [a, b]}}}}
permissions: read-all
defaults: {run: {shell: bash}}
env: {A: "${{ inputs.n }}"}
jobs:
  eval:
    runs-on: [self-hosted, gpu]
    strategy: {fail-fast: false, matrix: {seed: [0, 1, 2], data: "${{ fromJSON('[1,2]') }}"}}
    shards: {count: 4, items: {file: items.txt}, max-parallel: 2}
    resources: {cpus: 2, memory: 4GiB, gpus: {count: 1, memory: 20GiB}}
    retry: {attempts: 3, on: [infrastructure, timeout], backoff: 1s..60s}
    timeout-minutes: 5
    idle-timeout-minutes: 1
    inputs: {val: {path: /data/val, manifest: val.sha256}}
    setup:
      - uses: actions/setup-python@v5
        with: {python-version: 3.11}
    steps:
      - uses: actions/checkout@v4
      - run: |
          python eval.py
    metrics: metrics.json
gates:
  floor: {metric: accuracy, per: cell, at-least: 0.92}
  drop: {metric: accuracy, per: [data], over: [seed], baseline: {branch: main}, first: pass-floor, drop-at-most: 3%, test: regression, detect: 0.02}
  slow: {metric: latency_ms, statistic: p50, better: lower, ratio-at-most: 1.3, baseline: {alias: champion}, required: false}
false-block-rate: 0.05
""")
for index, (text, contexts) in enumerate([
    ("github.event.n > 2 && contains(github.event.list, 'two') || !env.EMPTY", None),
    ("format('{0} {{1}} {1}', matrix.backend, join(github.event.list, '-'))", None),
    ("toJSON(fromJSON('{\"a\":[1,2.5e3,null,true]}')).a[0]", None),
    ("case(success(), 1, 'x' == 'X', 0x1F, -1.5)", None),
    ("steps.*.outputs.x[0] != null && startsWith(github.ref, 'refs/')", None),
    ("text ${{ matrix.deep['a'].b.c }} and ${{ 'it''s' }}", None),
    ("endsWith(a.b, c[0])", {"a": {"b": "xyz"}, "c": ["z"]}),
]):
    write("expression", f"seed-{index}", text + ("\n" + json.dumps(contexts) if contexts else ""))
write("expression", "line", json.dumps({"expr": "a.b == 1", "contexts": {"a": {"b": 1}}}))
for index, text in enumerate([
    '{"a":[1,-2.5e-3,true,null,"\\u00e9\\ud83c\\udf3e\\n"],"b":{}}', ' [ ] ', '1e308', '"\\ud800"',
    '{"a":1}\n{"a":2,"b":[{"c":3}]}\n\n{"a":"x\\ty"}\n{"b":1,"a":2}', '[[[[[[0]]]]]]', '{"a":1,"a":2}',
    '12345678901234567890.5', '0.1e-400',
]):
    write("json", f"seed-{index}", text)
for index, text in enumerate([
    '{"accuracy": 0.91, "loss": {"kind": "mean", "n": 500, "mean": 0.91, "m2": 40.9}}', '{"accuracy": NaN, "f1": 0.9}',
    '{"a": {"kind": "ratio", "numerator": 1, "denominator": 2, "unit": "%"}}', '{"a": 0,80, "b": "0.99"}',
    '{"s": {"kind": "samples", "values": [1, 2.5, -3]}, "c": {"kind": "count", "value": 7}}',
    '{"q": {"kind": "quantiles", "relative_error": 0.01, "zeros": 2, "positive": [[-3, 1], [5, 2]], "negative": []}}',
    '', '0.80\n0.90', '{"a": 1}{"a": 2}', '{"a": {"refused": "x", "reason": "y", "file": "z", "line": 3}}',
]):
    write("metrics", f"seed-{index}", text)
formats = ["sheaf", "json", "jsonl", "csv", "junit", "pytest-benchmark", "lm-eval", "mlflow"]
for index, (format, flags, text) in enumerate([
    ("json", 0, '{"eval": {"accuracy": 0.9, "loss": [1, 2]}, "n": 3}'),
    ("jsonl", 0, '{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n'),
    ("jsonl", 8, '{"id": "q1", "hit": 1}\n{"id": 2, "hit": 0, "digest": "a"}\n'),
    ("csv", 16, 'loss,accuracy\n0.5,0.9\n0.25,"0.91"\n'),
    ("csv", 8, 'id,hit,digest\n"q""1",1,aa\nq2,0,\n'),
    ("junit", 0, '<?xml version="1.0"?><testsuites><testsuite name="s"><testcase classname="a.b" name="c" time="0.1"/>'
     '<testcase classname="a.b" name="d"><failure message="&lt;x"><![CDATA[no]]></failure></testcase>'
     '<testcase classname="a" name="e"><skipped/></testcase></testsuite></testsuites>'),
    ("pytest-benchmark", 0, '{"benchmarks": [{"fullname": "b.py::t", "name": "t", "stats": {"mean": 0.1, "median": 0.1, '
     '"min": 0.09, "data": [0.1, 0.09]}}]}'),
    ("lm-eval", 0, '{"results": {"gsm8k": {"alias": "gsm8k", "exact_match,strict-match": 0.5, '
     '"exact_match_stderr,strict-match": 0.1}}, "n-samples": {"gsm8k": {"original": 4, "effective": 4}}, "configs": {}}'),
    ("lm-eval", 8, '{"doc_id": 0, "doc_hash": "a", "prompt_hash": "b", "target_hash": "c", "acc": 1.0, "filter": "none", '
     '"metrics": ["acc"]}\n'),
    ("mlflow", 0, '1700000000000 0.5 0\n1700000000001 0.25 1\n'),
]):
    write("sources", f"seed-{index}-{format}", bytes([formats.index(format) | flags]) + text.encode())
write("items", "plain", '{"id": "q17", "accuracy": 1, "latency_ms": 12.5}\n{"id":"q18","accuracy":0}\n')
write("items", "slow", '{"id": 17, "a\\u0062": NaN, "accuracy": 1e-3}\n\n{"id":"x","a":1,"a":2}\n{"a":1}\nnonsense')
header = {"sheaf": 1, "run": "r1", "plan": {"jobs": [{"id": "eval", "cells": [
    {"id": "eval_a", "name": "eval (a)", "values": {"data": "a", "v": 3.1}, "shards": 2, "items": 3, "required": False},
    {"id": "eval_b", "name": "eval (b)", "values": {}, "shards": None, "skipped": "no"}]}, {"id": "x", "ending": "skipped", "reason": "r", "cells": []}]},
    "commit": "c0ffee", "tree": "ab" * 32, "provenance": {"inputs": ["x"]}}
shard = {"job": "eval", "cell": {"data": "a"}, "cell_id": "eval_a", "shard": 0, "shards": 2, "attempt": 1, "cause": "passed",
         "metrics": {"accuracy": 0.5, "m": {"kind": "mean", "n": 1, "mean": 2, "m2": 0}, "bad": {"refused": "NaN", "file": "m", "line": 1}},
         "items": [{"id": "i1", "a": 1}, {"id": "i2", "a": 0.25}], "assigned": "reported"}
write("results", "whole", json.dumps(header) + "\n" + json.dumps(shard) + "\n" + json.dumps(
    dict(shard, shard=1, cause="user_exit", code=3, evidence="exit 3", items=[], assigned=["i3"])) + "\n")
write("results", "short", json.dumps({"job": "e", "cell": {}, "shard": 0, "cause": "exit:3", "metrics": {"a": 1}}))

# messages

reference = number(1, 1) + number(2, 2) + number(4, 3) + number(5, 1)
write("message", "frame", bytes([0]) + number(1, 3) + data(6, data(1, b"payload") + number(2, 1)))
write("message", "submit", bytes([2]) + data(1, "eval.yml") + data(2, b"sheaf: 1\n") + data(3, data(1, "k") + data(2, "v")))
write("message", "from-agent", bytes([5]) + data(1, data(1, "gpu-3") + number(2, 4)))
write("message", "report", bytes([7]) + data(1, reference) + data(2, "passed") + data(6, b"{}"))
write("message", "plan", bytes([13]) + data(1, "p") + data(2, "f") + data(3, data(1, "job") + data(6, data(1, "c") + data(2, "c"))))
write("message", "capacity", bytes([15]) + number(1, 8) + number(2, 1 << 34) + data(3, data(1, "GPU-0") + data(2, "H200")))
hello = data(2, number(1, 1) + number(2, 0) + data(3, "peer") + number(4, 65536) + number(5, 30000) + number(6, 16))
opened = number(1, 1) + data(4, data(1, "Farm.Watch"))
write("frames", "hello", bytes([3]) + frame(hello))
write("frames", "open", bytes([9]) + frame(opened) + frame(number(1, 1) + data(5, data(1, b"abc") + number(2, 1))) +
      frame(number(1, 1) + data(5, data(1, b"def"))) + frame(number(1, 1) + data(7, data(1, number(1, 0)))))
write("frames", "ping", bytes([1]) + frame(data(3, number(1, 77))) + frame(data(4, number(1, 77))))
write("frames", "even", bytes([1]) + frame(number(1, 2) + data(4, data(1, "A.B") + number(2, 1))) + frame(number(1, 2) + data(6, number(1, 4096))))


def entry(path, size=0, executable=False, link=None):
    return data(1, data(1, path) + (number(2, size) if size else b"") + (number(3, 1) if executable else b"") + (data(4, link) if link else b""))


write("archive", "tree", entry("a", 3) + entry("b/c", 5, True) + entry("b/l", link="../a") + data(2, data(1, b"\x11" * 32) + number(2, 8)))
write("archive", "hostile", entry("../x", 1) + entry("/etc/passwd") + entry("a") + entry("a/b") + entry("l", link="/etc") + entry("l/x"))
raw = b"hello hello hello hello hello hello hello hello"
# One zstd frame with a single raw block, written by hand: magic, single segment, size, block header, bytes.
zstd = b"\x28\xb5\x2f\xfd\x20" + bytes([len(raw)]) + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw
write("object", "raw-block", struct.pack("<I", len(raw))[:3] + zstd)
write("object", "run-block", struct.pack("<I", 200)[:3] + b"\x28\xb5\x2f\xfd\x20\xc8" + struct.pack("<I", 200 << 3 | 3)[:3] + b"a")
write("object", "no-frame", struct.pack("<I", len(raw))[:3] + zlib.compress(raw))
write("token", "file", "sheaf-token 1\naddress: farm.example:7444\nauthority: " + "ab" * 32 + "\nsecret: " + "A" * 43 +
      "\nrole: agent\nname: gpu-3\nteam: vision\nexpires: 2026-01-01T00:00:00Z\n")
write("token", "address", "[fe80::1%eth0]:7443")
write("token", "host", "farm.example:65535")
write("commands", "lines", "::error file=a.py,line=3,col=7,title=x%2Cy::it%0Abroke\n::group::g\n::add-mask::hunter2-hunter2\nhunter2-hunter2\n")
write("commands", "file", "A=1\nB<<EOF\nline\nEOF\nC=\n")
