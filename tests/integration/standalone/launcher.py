"""Starts a server of the stack and waits to be killed: `python launcher.py postgres|redis DIRECTORY`."""

import signal
import sys
from pathlib import Path

from fourpoint_standalone.postgres import PostgresServer
from fourpoint_standalone.redis_server import RedisServer

SERVERS = {"postgres": PostgresServer, "redis": RedisServer}

kind, directory = sys.argv[1:]
server = SERVERS[kind](Path(directory))
server.start()
sys.stdout.write(f"{server.pid}\n")
sys.stdout.flush()
signal.pause()
