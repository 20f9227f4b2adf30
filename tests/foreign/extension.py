#!/usr/bin/env python3
"""An extension written with Python's standard library only: it registers, listens to telemetry, and says what comes.

It asks for the next event once it saw this invocation's platform.runtimeDone, as a careful extension does.
"""
import http.client
import http.server
import json
import os
import sys
import threading

NAME = os.path.basename(sys.argv[0])
API = os.environ["AWS_LAMBDA_RUNTIME_API"]
DONE = threading.Condition()
FINISHED = set()


class Listener(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with DONE:
            for record in records:
                if record["type"] == "platform.runtimeDone":
                    FINISHED.add(record["record"]["requestId"])
            DONE.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print(f"{NAME} got {len(records)} records", flush=True)

    def log_message(self, *args):
        pass


def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer, _ = call("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": NAME},
                     json.dumps({"events": ["INVOKE", "SHUTDOWN"]}))
    me = {"Lambda-Extension-Identifier": answer.getheader("Lambda-Extension-Identifier")}
    call("PUT", "/2022-07-01/telemetry", me, json.dumps({
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function"],
        "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_address[1]}"},
    }))
    while True:
        _, event = call("GET", "/2020-01-01/extension/event/next", me)
        print(f"{NAME} got {event['eventType']}", flush=True)
        if event["eventType"] == "SHUTDOWN":
            return
        with DONE:
            DONE.wait_for(lambda: event["requestId"] in FINISHED, timeout=2)


main()
