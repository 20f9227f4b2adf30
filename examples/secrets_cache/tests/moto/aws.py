"""AWS as the tests need it: moto's server with two secrets and two parameters, told on stdin what to do.

It says where it is and whose credentials are good there in a line of JSON. Each line it is sent is one of
`{"secret": NAME, "value": TEXT}`, `{"parameter": NAME, "value": TEXT}` and `{"stop": true}`; it answers each with a line.
With the argument `strict` it refuses who is not signed in, and checks every signature.
"""
import json
import os
import sys

STRICT = sys.argv[1:] == ["strict"]
if STRICT:
    # The role is made, and assumed, by nobody in particular.
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
endpoint = "http://%s:%d" % server.get_host_and_port()


def client(service, key):
    return boto3.client(service, endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id=key["AccessKeyId"],
                        aws_secret_access_key=key["SecretAccessKey"], aws_session_token=key["SessionToken"])


nobody = {"AccessKeyId": "nobody", "SecretAccessKey": "nobody", "SessionToken": None}
iam = client("iam", nobody)
role = iam.create_role(RoleName="function", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
actions = ["secretsmanager:*", "ssm:*"]
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
iam.put_role_policy(RoleName="function", PolicyName="all", PolicyDocument=json.dumps(policy))
key = client("sts", nobody).assume_role(RoleArn=role, RoleSessionName="function")["Credentials"]

secrets, parameters = client("secretsmanager", key), client("ssm", key)
version = secrets.create_secret(Name="app/db", SecretString="first secret")["VersionId"]
parameters.put_parameter(Name="/app/url", Value="first parameter", Type="String")
parameters.label_parameter_version(Name="/app/url", ParameterVersion=1, Labels=["live"])
parameters.put_parameter(Name="/app/key", Value="hidden parameter", Type="SecureString")
print(json.dumps({"endpoint": endpoint, "version": version, "id": key["AccessKeyId"], "key": key["SecretAccessKey"],
                  "token": key["SessionToken"]}), flush=True)

for line in sys.stdin:
    order = json.loads(line)
    if "secret" in order:
        secrets.put_secret_value(SecretId=order["secret"], SecretString=order["value"])
    elif "parameter" in order:
        parameters.put_parameter(Name=order["parameter"], Value=order["value"], Overwrite=True)
    else:
        server.stop()
    print("done", flush=True)
