"""Run a local Azure: `python tests/standin/azure --ca-file CA.pem --world WORLD.json`.

Prints `listening on https://HOST:PORT` when it is ready, and runs until it is killed. See README.md
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

# This directory comes first: its modules have other names than those of the stand-in for AWS, from
# which the HTTP server is.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from arm_control import State, loaded
from arm_server import Application, TlsServer
from arm_world import BadWorld
from certificates import server_context
from make_world import BadFleet

PAGE_SIZE = 5


def main() -> int:
    """Serve until killed. The exit code is 2 for an invalid world file."""
    options = _options()
    try:
        raw = json.loads(options.world.read_text()) if options.world else {}
        world = loaded(raw)
        context = server_context(options.ca_file)
    except (OSError, ValueError) as error:
        print(f"{options.world or options.ca_file}: {error}", file=sys.stderr)
        return 2
    except (BadWorld, BadFleet) as error:
        for text in error.errors:
            print(f"{options.world}: {text}", file=sys.stderr)
        return 2
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: os._exit(0))
    application = Application(State(world), options.page_size)
    server = TlsServer(
        options.host, options.port, application, options.verbose, context
    )
    if options.exit_with_parent:
        threading.Thread(target=_watch_parent, daemon=True).start()
    print(f"listening on https://{options.host}:{server.server_address[1]}", flush=True)
    server.serve_forever()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="standin/azure", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--ca-file",
        type=Path,
        required=True,
        help="where to write the certificate of the authority, PEM",
    )
    parser.add_argument("--world", type=Path, help="content, JSON")
    parser.add_argument(
        "--page-size", type=int, default=PAGE_SIZE, help="entries of a page"
    )
    parser.add_argument("--verbose", action="store_true", help="log each request")
    parser.add_argument(
        "--exit-with-parent",
        action="store_true",
        help="exit when the process that started this one is gone",
    )
    return parser.parse_args()


def _watch_parent() -> None:
    # As in the stand-in for AWS: test runners start this program from short-lived threads.
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
