"""Run a local AWS account: `python tests/standin --fleet FLEET.json`.

Prints `listening on http://HOST:PORT` when it is ready, and runs until it is killed. See README.md
in this directory.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import fleet
import fleet_fields
import wire
from checking import BadFleet
from http_server import Server
from server import Application
from world import DEFAULT_ACCOUNT


def main() -> int:
    """Serve until killed. The exit code is 2 for an invalid fleet file."""
    options = _options()
    account = os.environ.get("MOTO_ACCOUNT_ID", DEFAULT_ACCOUNT)
    try:
        raw = json.loads(options.fleet.read_text()) if options.fleet else {}
        world = fleet.new_world(fleet_fields.checked(raw), account)
    except (OSError, ValueError) as error:
        print(f"{options.fleet}: {error}", file=sys.stderr)
        return 2
    except BadFleet as error:
        for text in error.errors:
            print(f"{options.fleet}: {text}", file=sys.stderr)
        return 2
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: os._exit(0))
    # The largest service description is loaded now, so that no call has to wait for it.
    wire.codec("ec2")
    application = Application(world, account)
    server = Server(options.host, options.port, application, options.verbose)
    if options.exit_with_parent:
        threading.Thread(target=_watch_parent, daemon=True).start()
    print(f"listening on http://{options.host}:{server.server_address[1]}", flush=True)
    server.serve_forever()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="standin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fleet", type=Path, help="content of the account, JSON")
    parser.add_argument("--verbose", action="store_true", help="log each request")
    parser.add_argument(
        "--exit-with-parent",
        action="store_true",
        help="exit when the process that started this one is gone",
    )
    return parser.parse_args()


def _watch_parent() -> None:
    # Polling is better than PR_SET_PDEATHSIG. That signal is already sent when the parent's thread
    # ends, and test runners start this program from short-lived threads.
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
