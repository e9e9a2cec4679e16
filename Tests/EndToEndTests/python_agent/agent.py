"""An agent made from proto/sheaf.proto alone: it enrols with a token file, takes one shard, runs it, reports it.

    python3 agent.py PROTO_FOLDER TOKEN_FILE [MINOR]

MINOR above 1 makes it an agent of a later version: each message and each frame has a field more, and it says things that
nobody here knows. PROTO_FOLDER holds sheaf_pb2.py, as protoc --python_out writes it. Standard output gets one line per event.
"""

import hashlib
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import _ssl
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, sys.argv[1])
import sheaf_pb2 as pb  # noqa: E402

CREDIT = 1 << 20
FRAME_MAX = 60_000
MINOR = int(sys.argv[3]) if len(sys.argv) > 3 else 1
LATER = b"\x98\x06\x05" if MINOR > 1 else b""  # field 99, a number


def tell(*words):
    print(*words, flush=True)


class Refused(Exception):
    """The farm ended a stream with a status that is not OK."""


class Link:
    """One connection: frames, streams, credit, as the head of sheaf.proto says."""

    def __init__(self, tls):
        self.tls = tls
        self.next_stream = 1
        self.messages = {}  # stream -> finished messages
        self.partial = {}  # stream -> bytes of a message that goes on
        self.closed = {}  # stream -> status, once the farm has closed it
        self.credit = {}  # stream -> bytes that may still be sent
        hello = pb.Frame(hello=pb.Hello(major=1, minor=MINOR, software="python-agent", initial_credit=CREDIT,
                                        silence_max_ms=60_000, streams_max=16))
        self.write(hello)
        first = self.read()
        assert first.WhichOneof("kind") == "hello", first
        assert first.hello.major == 1, first
        self.initial_credit = first.hello.initial_credit

    def write(self, frame):
        body = frame.SerializeToString() + LATER
        self.tls.sendall(struct.pack(">I", len(body)) + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.tls.recv(count - len(data))
            if not part:
                raise ConnectionError("the farm has gone")
            data += part
        return data

    def read(self):
        (length,) = struct.unpack(">I", self.exactly(4))
        assert 1 <= length <= 65_536, length
        return pb.Frame.FromString(self.exactly(length))

    def step(self):
        """Takes one frame in."""
        frame = self.read()
        kind = frame.WhichOneof("kind")
        if kind == "ping":
            self.write(pb.Frame(pong=pb.Pong(number=frame.ping.number)))
        elif kind == "data":
            whole = self.partial.pop(frame.stream, b"") + frame.data.payload
            if frame.data.more:
                self.partial[frame.stream] = whole
            else:
                self.messages.setdefault(frame.stream, []).append(whole)
            if frame.data.payload:
                self.write(pb.Frame(stream=frame.stream, credit=pb.Credit(bytes=len(frame.data.payload))))
        elif kind == "credit":
            self.credit[frame.stream] = self.credit.get(frame.stream, 0) + frame.credit.bytes
        elif kind == "close":
            self.closed[frame.stream] = frame.close.status
        elif kind == "go_away":
            raise Refused(frame.go_away.status.text)

    def open(self, method, urgency=pb.URGENCY_NORMAL):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.credit[stream] = self.initial_credit
        self.write(pb.Frame(stream=stream, open=pb.Open(method=method, urgency=urgency)))
        return stream

    def send(self, stream, message):
        body = message.SerializeToString() + LATER
        while True:
            part, body = body[:FRAME_MAX], body[FRAME_MAX:]
            while self.credit[stream] < len(part):
                self.step()
            self.credit[stream] -= len(part)
            self.write(pb.Frame(stream=stream, data=pb.Data(payload=part, more=bool(body))))
            if not body:
                return

    def finish(self, stream):
        self.write(pb.Frame(stream=stream, close=pb.Close(status=pb.Status())))

    def receive(self, stream, kind):
        while not self.messages.get(stream):
            status = self.closed.get(stream)
            if status is not None:
                if status.code != pb.CODE_OK:
                    raise Refused(status.text)
                return None
            self.step()
        return kind.FromString(self.messages[stream].pop(0))

    def call(self, method, request, kind):
        stream = self.open(method)
        self.send(stream, request)
        self.finish(stream)
        return self.receive(stream, kind)


def connect(address, context, name=None):
    host, port = address.rsplit(":", 1)
    plain = socket.create_connection((host.strip("[]"), int(port)))
    return context.wrap_socket(plain, server_hostname=name)


def enrol(path):
    """Gives an SSL context with the new certificate, and where to connect."""
    lines = open(path).read().splitlines()
    assert lines[0] == "sheaf-token 1", lines[0]
    token = dict(line.split(": ", 1) for line in lines[1:] if line)

    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.minimum_version = ssl.TLSVersion.TLSv1_3
    stranger.check_hostname = False
    stranger.verify_mode = ssl.CERT_NONE  # the chain is compared with the token's fingerprint below
    tls = connect(token["address"], stranger)
    chain = [x509.load_der_x509_certificate(c.public_bytes(_ssl.ENCODING_DER)) for c in tls._sslobj.get_unverified_chain()]
    authority = next(c for c in chain if c.fingerprint(hashes.SHA256()).hex() == token["authority"])
    authority.public_key().verify(chain[0].signature, chain[0].tbs_certificate_bytes, ec.ECDSA(chain[0].signature_hash_algorithm))

    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    answer = Link(tls).call(
        "Enrolment.Enrol",
        pb.EnrolRequest(token=token["secret"], certificate_request=request.public_bytes(serialization.Encoding.DER)),
        pb.EnrolResponse)
    tls.close()

    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(answer.certificate)
        pem.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption()).decode())
        pem.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=answer.authority)
        context.load_cert_chain(pem.name)
    tell("enrolled as", answer.name)
    return context, answer.address


def put(link, attempt, data):
    """Stores bytes in the attempt's name, and names them."""
    ref = pb.ObjectRef(digest=hashlib.sha256(data).digest(), size=len(data))
    stream = link.open("Objects.Put", pb.URGENCY_BULK)
    scope = pb.Scope(attempt=attempt)
    link.send(stream, pb.PutPart(header=pb.PutHeader(scope=scope, object=ref, encoding=pb.ENCODING_IDENTITY)))
    link.send(stream, pb.PutPart(bytes=data))
    link.finish(stream)
    assert link.receive(stream, pb.PutResponse) is not None
    return ref


def run(assignment, folder):
    """Runs the steps' scripts; gives the report without what has to be put first, and the metrics' bytes."""
    began = time.time_ns()
    report = pb.AttemptReport(attempt=assignment.attempt, cause="passed", started_at=began)
    log = b""
    for number, step in enumerate(assignment.work.steps):
        if step.WhichOneof("action") != "run":
            continue
        environment = {"PATH": os.environ["PATH"], "SHEAF_SHARD": str(assignment.attempt.shard),
                       "SHEAF_SHARD_COUNT": str(assignment.shard_count)}
        done = subprocess.run(["bash", "-e", "-c", step.run], cwd=folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        for line in done.stdout.splitlines():
            log += b"%d o %s\n" % (time.time_ns(), line)
        ok = done.returncode == 0
        report.steps.add(name=step.name or f"step {number}", outcome="success" if ok else "failure",
                         conclusion="success" if ok else "failure", exit_code=done.returncode)
        if not ok:
            report.cause, report.code = "user_exit", done.returncode
            break
    report.ended_at = time.time_ns()
    report.log_bytes = len(log)
    metrics = None
    if assignment.work.metrics:
        path = os.path.join(folder, assignment.work.metrics)
        if os.path.exists(path):
            metrics = open(path, "rb").read()
    return report, metrics, log


def main():
    context, address = enrol(sys.argv[2])
    link = Link(connect(address, context, "sheaf-coordinator"))
    work = link.open("Agents.Work", pb.URGENCY_CONTROL)
    capacity = pb.Capacity(cpus=1, memory_bytes=1 << 30, labels=["self-hosted", "linux", "python-agent"])
    link.send(work, pb.FromAgent(joined=pb.AgentJoined(capacity=capacity, software="python-agent 1", incarnation="1")))
    if MINOR > 1:
        link.send(work, pb.FromAgent())
    # Two heartbeats before there is anything to name: a farm of its time or later may answer them.
    for number in (1, 2):
        heartbeat = pb.Heartbeat(disk_free=1 << 40)
        if MINOR > 0:
            heartbeat.number = number
        link.send(work, pb.FromAgent(heartbeat=heartbeat))
    while True:
        message = link.receive(work, pb.ToAgent)
        if message is None:
            return
        kind = message.WhichOneof("kind")
        tell("told", kind)
        if kind != "offer":
            continue
        assignment = message.offer.assignment
        link.send(work, pb.FromAgent(started=pb.AttemptStarted(attempt=assignment.attempt, at=time.time_ns())))
        with tempfile.TemporaryDirectory() as folder:
            report, metrics, log = run(assignment, folder)
        if metrics is not None:
            report.metrics.CopyFrom(put(link, assignment.attempt, metrics))
            report.metrics_path = assignment.work.metrics
        if log:
            stream = link.open("Agents.AppendLog", pb.URGENCY_BULK)
            link.send(stream, pb.LogChunk(attempt=assignment.attempt, offset=0, lines=log))
            stored = link.receive(stream, pb.LogStored)
            assert stored.offset == len(log), stored
            link.finish(stream)
        stored = link.call("Agents.Report", report, pb.ReportStored)
        tell("counted" if stored.counted else "not counted", report.cause)
        # A repeated report of the same attempt is harmless.
        again = link.call("Agents.Report", report, pb.ReportStored)
        assert again.counted == stored.counted
        if not stored.counted:
            raise SystemExit(1)


try:
    main()
except (ConnectionError, Refused) as error:
    tell("the connection has ended:", error)
