#!/bin/sh
# An S3 server, OpenStack Swift, on port 9000. It reads its configuration from standard input, and ends with this shell.
echo '{"data_parent": "/data", "region": "us-east-1", "page_size": 1000, "host": "0.0.0.0", "port": 9000,
  "account": "fourpoint", "user": "fourpoint", "secret_key": "'"$MINIO_ROOT_PASSWORD"'"}' | tr -d '\n' > /tmp/configuration
echo >> /tmp/configuration
/opt/swift/bin/python -W ignore /src/swift_process.py $$ < /tmp/configuration &
trap 'kill $!' TERM
wait
