"""`fake_service.py PORT BEHAVIOUR [FOLDER]`: stands in for a service of ours, to be started, watched and killed.

steady: ready at once, leaves on SIGTERM. refuses: exit code 2 with a reason. crashes: exit code 1 at once. once: crashes the
first time only (remembered in FOLDER). unready: listens and is never ready.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = {
    "/metrics": 'tradewinds_ticks_total{venue="A"} 40.0\ntradewinds_ticks_total{venue="B"} 2.0\ntradewinds_bars_total{timeframe="1s"} 7\n',
    "/info": json.dumps({"tick_to_order_ms": {"n": 3, "p50": 2.5, "p99": 9.0}}),
}


class Handler(BaseHTTPRequestHandler):
    """Answers as every service of ours does."""

    ready = True

    def do_GET(self) -> None:  # the name that http.server asks for
        checks = {"market": {"status": "ok" if self.ready else "failing", "detail": "no clock yet"}}
        body = PAGES.get(self.path, json.dumps({"ready": self.ready, "checks": checks})).encode()
        self.send_response(200 if self.ready or self.path != "/ready" else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def main() -> None:
    port, behaviour = int(sys.argv[1]), sys.argv[2]
    marker = Path(sys.argv[3] if len(sys.argv) > 3 else ".") / f"crashed-{port}"
    if behaviour == "refuses":
        print('{"message": "a log line"}\nfake: LOTS must be a number, got "many"', file=sys.stderr)
        sys.exit(2)
    if behaviour == "crashes" or (behaviour == "once" and not marker.exists()):
        marker.touch()
        print("fake: out of luck", file=sys.stderr)
        sys.exit(1)
    Handler.ready = behaviour != "unready"
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
