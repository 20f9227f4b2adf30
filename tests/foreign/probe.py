#!/usr/bin/env python3
"""An extension that does what its variables say, to be looked at from outside.

NAME         registers under this name instead of the file's
NOTES        a file it writes its process ids and its variables to
CHILD=1      starts a child process of its own
STAY=1       does not leave on SHUTDOWN
EXIT=N       leaves on SHUTDOWN with this code
LATE_PORT=N  for each INVOKE, connects to this port only after it has asked for the next event
"""
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time

NAME = os.environ.get("NAME", os.path.basename(sys.argv[0]))
API = os.environ["AWS_LAMBDA_RUNTIME_API"]


def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def send_late():
    time.sleep(0.05)
    with socket.create_connection(("127.0.0.1", int(os.environ["LATE_PORT"]))) as connection:
        connection.sendall(b"data\n")


def main():
    notes = {"pids": [os.getpid()], "environment": dict(os.environ)}
    if os.environ.get("CHILD"):
        notes["pids"].append(subprocess.Popen(["sleep", "1000"]).pid)
    with open(os.environ["NOTES"], "w", encoding="utf-8") as file:
        json.dump(notes, file)
    answer, _ = call("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": NAME},
                     json.dumps({"events": ["INVOKE", "SHUTDOWN"]}))
    me = {"Lambda-Extension-Identifier": answer.getheader("Lambda-Extension-Identifier")}
    while True:
        _, event = call("GET", "/2020-01-01/extension/event/next", me)
        if event["eventType"] == "SHUTDOWN":
            if os.environ.get("STAY"):
                time.sleep(1000)
            sys.exit(int(os.environ.get("EXIT", "0")))
        if os.environ.get("LATE_PORT"):
            threading.Thread(target=send_late, daemon=True).start()


main()
