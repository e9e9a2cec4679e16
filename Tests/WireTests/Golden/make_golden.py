"""Makes golden.txt: vectors of golden.proto from Python's protobuf, one `name hex` a line. Run by hand:

    python3 Tests/WireTests/Golden/make_golden.py > Tests/WireTests/Golden/golden.txt
"""

import pathlib
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).parent
out = tempfile.mkdtemp()
subprocess.run(["protoc", f"--proto_path={here}", f"--python_out={out}", "golden.proto"], check=True)
sys.path.insert(0, out)
import golden_pb2 as golden  # noqa: E402


def vectors():
    E = golden.Everything
    I = golden.Inner
    yield "empty", E()
    yield "doubles", E(a_double=-0.0, a_float=1.5, doubles=[0.0, 1e308, float("inf"), -2.5])
    yield "int64_min", E(an_int64=-(2**63), an_int32=-(2**31), an_sint32=-(2**31), an_sint64=-(2**63))
    yield "int64_max", E(an_int64=2**63 - 1, an_int32=2**31 - 1, an_sint32=2**31 - 1, an_sint64=2**63 - 1)
    yield "unsigned_max", E(a_uint64=2**64 - 1, a_uint32=2**32 - 1, a_fixed64=2**64 - 1, a_fixed32=2**32 - 1)
    yield "sfixed", E(an_sfixed32=-1, an_sfixed64=-1)
    yield "minus_one", E(an_int32=-1, an_int64=-1, an_sint32=-1, an_sint64=-1)
    yield "texts", E(a_bool=True, a_string="grün \U0001F33E \0", some_bytes=bytes(range(256)), texts=["", "a", "b" * 200])
    yield "inner", E(inner=I(name="x", values=[1, 300, 2**32 - 1]), inners=[I(), I(name="y")])
    yield "empty_inner", E(inner=I())
    yield "optional_zero", E(maybe=0, maybe_text="")
    yield "optional_set", E(maybe=-7, maybe_text="z")
    yield "lists", E(packed=[0, 1, -1, 2**31 - 1], unpacked=[0, -1, 2**62], colours=[1, 0, -1])
    yield "enum_unknown", E(colour=77, colours=[77])
    yield "counts", E(counts={"b": 2, "a": 1, "": 0, "ä": -1, "z" * 130: 5})
    yield "by_number", E(by_number={-1: I(name="minus"), 0: I(), 2**40: I(values=[7])})
    yield "choice_word", E(word="")
    yield "choice_nested", E(nested=I())
    yield "choice_number", E(number=0)


for name, message in vectors():
    print(name, message.SerializeToString(deterministic=True).hex() or "-")
