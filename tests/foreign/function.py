#!/usr/bin/env python3
"""A runtime and function in one, as a custom runtime's bootstrap: says hello and turns the payload's text around."""
import http.client
import json
import os
import signal
import sys


def leave(*_):
    print("the runtime was asked to leave", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation"
while True:
    connection.request("GET", f"{base}/next")
    answer = connection.getresponse()
    request_id = answer.getheader("Lambda-Runtime-Aws-Request-Id")
    event = json.loads(answer.read())
    # AWS's emulator names no handler unless it is told one.
    print(f"handler {os.environ.get('_HANDLER')} runs", flush=True)
    if event.get("fail"):
        body = json.dumps({"errorMessage": "as asked", "errorType": "Function.Asked"})
        connection.request("POST", f"{base}/{request_id}/error", body,
                           {"Lambda-Runtime-Function-Error-Type": "Function.Asked"})
    elif event.get("die"):
        sys.exit(3)
    else:
        connection.request("POST", f"{base}/{request_id}/response", json.dumps(event.get("text", "")[::-1]))
    connection.getresponse().read()
