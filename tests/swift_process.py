"""OpenStack Swift in one process: the account, container and object servers, and the S3 proxy before them.

Started by `tests/s3_server.py` with the interpreter of `.venv-swift`; imports nothing of ours. Reads one JSON
line with the configuration from standard input, writes one JSON line with `port` and `data_directory` to
standard output when it answers, and serves until SIGTERM. It removes its directory when it ends.
"""

import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import eventlet
from swift.common import utils

utils.monkey_patch()

from eventlet import wsgi  # noqa: E402 - everything below sees the patched sockets
from swift.common import constraints  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import loadapp  # noqa: E402

HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
BACKENDS = ("account", "container", "object")

SWIFT_CONF = """
[swift-hash]
swift_hash_path_prefix = fourpoint
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""

# One process serves all: a PUT waits for its listing entry (up to 30 s instead of 1 s), so that listings are
# read-after-write, as those of S3 are, and no updater daemon is needed.
BACKEND_CONF = """
[DEFAULT]
swift_dir = {root}
devices = {root}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = ERROR
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
log_requests = false
container_update_timeout = 30
slow = 0
allow_versions = true
"""

# No cache filter: without memcached Swift is slower and still correct. An error must never switch off the
# only device for a minute, hence the suppression limits.
PROXY_CONF = """
[DEFAULT]
swift_dir = {root}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth copy slo versioned_writes symlink
    proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
error_suppression_interval = 0
error_suppression_limit = 1000000
node_timeout = 60
recoverable_node_timeout = 60
conn_timeout = 5
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = {region}
s3_acl = false
dns_compliant_bucket_names = true
max_bucket_listing = {page_size}
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret_key} .admin
user_{account}_guest = {secret_key}
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
allow_async_delete = false
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""


def main() -> None:
    """Serve until SIGTERM, or until the parent dies."""
    _die_with(int(sys.argv[1]))
    config = json.loads(sys.stdin.readline())
    root = Path(tempfile.mkdtemp(prefix="fourpoint-s3-", dir=config["data_parent"]))
    signal.signal(signal.SIGTERM, lambda *_: _end(root))
    # Ctrl-C reaches parent and child at once; the parent ends this process when it is done with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config |= {"root": root}
    sockets = {name: eventlet.listen((HOST, 0), backlog=1024) for name in BACKENDS}
    address = (config.get("host", HOST), config.get("port", 0))
    sockets["proxy"] = eventlet.listen(address, backlog=1024)
    _write_configuration(root, config)
    _write_rings(root, {name: sockets[name].getsockname()[1] for name in BACKENDS})
    utils.SWIFT_CONF_FILE = str(root / "swift.conf")
    utils.validate_hash_conf()
    constraints.reload_constraints()
    servers = [eventlet.spawn(_serve, sockets[name], root / f"{name}.conf") for name in sockets]
    ready = {"port": sockets["proxy"].getsockname()[1], "data_directory": str(root)}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    for server in servers:
        server.wait()


def _die_with(parent_id: int) -> None:
    """Be told to end when the parent process ends, however it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the call above could see it.
    if os.getppid() != parent_id:
        sys.exit("the process that started this server has ended")


def _end(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    # Not sys.exit: requests in flight, and their threads, must not keep the process alive.
    os._exit(0)


def _write_configuration(root: Path, config: dict) -> None:
    (root / "devices" / "d1").mkdir(parents=True)
    (root / "swift.conf").write_text(SWIFT_CONF)
    (root / "proxy.conf").write_text(PROXY_CONF.format(**config))
    for kind in BACKENDS:
        (root / f"{kind}.conf").write_text(BACKEND_CONF.format(root=root, kind=kind))


def _write_rings(root: Path, ports: dict[str, int]) -> None:
    """One replica on one device, 2^4 partitions."""
    for kind, port in ports.items():
        builder = RingBuilder(4, 1, 1)
        builder.add_dev(
            {"id": 0, "region": 1, "zone": 1, "weight": 100.0, "ip": HOST, "port": port, "device": "d1"}
            | {"meta": "", "replication_ip": HOST, "replication_port": port}
        )
        builder.rebalance()
        builder.get_ring().save(str(root / f"{kind}.ring.gz"))


def _serve(listener: eventlet.greenio.GreenSocket, config_file: Path) -> None:
    app = loadapp(str(config_file), global_conf={"log_name": config_file.stem})
    wsgi.server(
        listener, app, custom_pool=eventlet.GreenPool(256), log_output=False, debug=False, socket_timeout=120
    )


if __name__ == "__main__":
    main()
