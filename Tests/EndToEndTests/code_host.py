"""A code host on loopback for tests: holds requests against what GitHub's and GitLab's interfaces document, and plays trouble.

Prints its port, then serves until its standard input ends. What it was told to leave goes to the file of the first argument,
one JSON object. The second argument, and each line of its input, is what goes wrong: each of `STATUS:PART` is the answer to
the first request whose path holds PART, `always:STATUS:PART` to all of them, `drop:PART` closes the connection after a write
was taken, `hang:PART` takes it, prints `hung PART`, and never answers.
"""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

left = {"statuses": [], "checks": {}, "comments": {}, "refused": [], "asked": []}
trouble = [word for word in sys.argv[2].split(",") if word]
lock = threading.Lock()
ended = threading.Event()
number = 0

# What the documents of both say: required members, types, words, lengths.
TEXT = (str, None, 65535)
SCHEMAS = {
    "github status": {"state": (str, {"error", "failure", "pending", "success"}, 99), "context": (str, None, 255),
                      "description": (str, None, 140), "target_url": (str, None, 2048)},
    "github check": {"name": (str, None, 255), "head_sha": (str, None, 64), "external_id": (str, None, 255),
                     "status": (str, {"queued", "in_progress", "completed"}, 99), "details_url": (str, None, 2048),
                     "conclusion": (str, {"action_required", "cancelled", "failure", "neutral", "success", "skipped",
                                          "timed_out"}, 99), "output": (dict, None, None)},
    "gitlab status": {"state": (str, {"pending", "running", "success", "failed", "canceled", "skipped"}, 99),
                      "name": (str, None, 255), "description": (str, None, 255), "target_url": (str, None, 2048)},
    "comment": {"body": TEXT},
}
REQUIRED = {"github status": ["state"], "github check": ["name"], "gitlab status": ["state"], "comment": ["body"]}


def mistake(body, kind):
    schema = SCHEMAS[kind]
    for name in REQUIRED[kind]:
        if name not in body:
            return f"missing {name}"
    for name, value in body.items():
        if name not in schema:
            return f"unknown {name}"
        wanted, words, most = schema[name]
        if not isinstance(value, wanted) or words and value not in words:
            return f"{name} is {value!r}"
        if most is not None and len(value.encode("utf-16-le")) // 2 > most:
            return f"{name} is too long"
    if kind == "github check" and body.get("status") == "completed" and "conclusion" not in body:
        return "missing conclusion"
    return None


class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, value, headers=()):
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self):
        global number
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        with lock:
            left["asked"].append(f"{self.command} {path}")
            for place, word in enumerate(trouble):
                parts = word.split(":")
                always = parts[0] == "always"
                what, part = parts[1 if always else 0], parts[-1]
                if part not in path or what in ("drop", "hang") and self.command == "GET":
                    continue
                if not always:
                    trouble.pop(place)
                if what == "drop":
                    self.take(path, body)
                    self.close_connection = True
                    return self.connection.close()
                if what == "hang":
                    self.take(path, body)
                    print(f"hung {part}", flush=True)
                    break
                headers = [("Retry-After", "1")] if what in ("429", "503") else []
                return self.answer(int(what), {"message": "played"}, headers)
            else:
                return self.answer(*self.take(path, body))
        ended.wait()
        self.close_connection = True

    do_GET = do_POST = do_PATCH = do_PUT = serve

    def take(self, path, body):
        global number
        github = path.startswith("/repos/") or "Authorization" in self.headers
        token = self.headers.get("Authorization") if github else self.headers.get("PRIVATE-TOKEN")
        if token != ("Bearer s3cret" if github else "s3cret"):
            return 401, {"message": "Bad credentials"}
        me = {"id": 7, "login": "farm", "type": "User"}
        if self.command == "GET":
            if path == "/user":
                return 200, me
            if "check-runs" in path:
                return 200, {"total_count": 0, "check_runs": [{"id": i, **c} for i, c in left["checks"].items()]}
            if path.endswith("/statuses"):
                found = [{"id": i + 1, "creator" if github else "author": me, **c}
                         for i, c in enumerate(left["statuses"])][::-1]
                if github:
                    return 200, found
                # The latest of each name, as GitLab has it, which shows as `status` what it took as `state`.
                return 200, [{**{k: v for k, v in c.items() if k != "state"}, "status": c["state"]} for c in found[:1]]
            return 200, [{"id": i, "body": text, "user" if github else "author": me}
                         for i, text in left["comments"].items()]
        value = json.loads(body)
        kind = ("comment" if re.search("comments|notes", path) else "github check" if "check-runs" in path
                else "github status" if github else "gitlab status")
        problem = mistake(value, kind)
        if problem:
            left["refused"].append(f"{path}: {problem}")
            return 422, {"message": problem}
        number += 1
        last = path.split("/")[-1]
        if kind.endswith("status"):
            left["statuses"].append(value)
        elif self.command in ("PATCH", "PUT"):
            (left["comments"] if kind == "comment" else left["checks"])[int(last)] = (
                value["body"] if kind == "comment" else value)
        elif kind == "comment":
            left["comments"][number] = value["body"]
        else:
            left["checks"][number] = value
        return 201, {"id": number}


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients are killed here: a connection that ends is no news."""


server = Server(("127.0.0.1", 0), Host)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
for line in sys.stdin:
    with lock:
        trouble.extend(word for word in line.strip().split(",") if word)
ended.set()
with open(sys.argv[1], "w") as file:
    json.dump(left, file)
