"""AWS for the tests: ministack on a free port of 127.0.0.1, for as long as whoever started it lives. With --everything all of it, else
SQS and Secrets Manager, which starts in half the time.

The first line on stdout is the endpoint's URL; the socket already accepts then, and a request waits until ministack answers. Everything
after that goes to stderr. Closing stdin ends the server: a starter that is killed cannot leave it behind.
"""

import asyncio
import os
import socket
import sys
import threading

# ministack's own start-up binds 0.0.0.0 and takes a port by number; a socket that is bound here is loopback only, and nobody can take
# its port in between.
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
port = listener.getsockname()[1]

# Read when ministack is imported: queue URLs carry this address, and nothing else is listened for. A Lambda finds AWS by the last one.
os.environ.update(
    MINISTACK_HOST="127.0.0.1",
    GATEWAY_PORT=str(port),
    AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
    SFTP_ENABLED="0",
    IOT_MTLS_ENABLED="0",
    LOG_LEVEL="WARNING",
)
if sys.argv[1:] != ["--everything"]:
    os.environ["SERVICES"] = "sqs,secretsmanager"

from hypercorn.asyncio import serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402
from ministack.app import app  # noqa: E402


async def also_as_a_proxy(scope, receive, send):
    """Answer a request that a proxy got, for whatever host, like one that was made here: so Docker finds the registry by the name
    that it has in the real AWS."""
    _, is_for_a_proxy, rest = scope.get("path", "").partition("://")
    if is_for_a_proxy:
        path = "/" + rest.partition("/")[2]
        scope = {**scope, "path": path, "raw_path": path.encode()}
    await app(scope, receive, send)


def end_with_starter():
    """Wait for the end of stdin, then end at once: there is no state worth a graceful stop."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


print(f"http://127.0.0.1:{port}", flush=True)
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
threading.Thread(target=end_with_starter, daemon=True).start()

config = Config()
config.bind = [f"fd://{listener.detach()}"]
config.loglevel = "WARNING"
asyncio.run(serve(also_as_a_proxy, config))
