"""Measure how many visitors a page serves until the slowest 5 % of answers take too long.

python run.py stage=serve ckpt_path=RUN/checkpoints/best.ckpt serve.visitors=64
python tests/helpers/load_page.py http://127.0.0.1:7860 hand.jpg
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time
from pathlib import Path


def stream_frames(host: str, frame: bytes, until: float, hz: float, took: list[float]) -> None:
    """Send camera frames, each after the previous answer, and record the ms of each."""
    connection = http.client.HTTPConnection(host, timeout=30)

    def post(path: str, body: bytes = b"") -> dict:
        connection.request("POST", f"/camera/{path}", body)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        assert answer.status == 200, told
        return told

    key = post("enter")["session"]
    while (now := time.perf_counter()) < until:
        post(f"frame/{key}?seconds={now}", frame)
        took.append(1000 * (time.perf_counter() - now))
        time.sleep(-time.perf_counter() % (1 / hz))  # until the camera's next frame
    post(f"leave/{key}")


def main() -> None:
    """Print a row per number of visitors until the 95th percentile exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page")
    parser.add_argument("picture", type=Path, help="a JPEG, as a camera would send it")
    for name, default in (("seconds", 10.0), ("hz", 30.0), ("limit_ms", 100.0), ("most", 64.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    given = parser.parse_args()
    host, frame = given.page.removeprefix("http://").rstrip("/"), given.picture.read_bytes()
    for visitors in range(1, int(given.most) + 1):
        took: list[float] = []
        job = (host, frame, time.perf_counter() + given.seconds, given.hz, took)
        threads = [threading.Thread(target=stream_frames, args=job) for _ in range(visitors)]
        _ = [thread.start() for thread in threads], [thread.join() for thread in threads]
        took = sorted(took[visitors:])  # each one's first frame opens its models
        p50, p95 = (took[int(share * len(took))] for share in (0.5, 0.95))
        print(f"{visitors:3} visitors: {len(took)} answers, p50 {p50:.0f} ms, p95 {p95:.0f} ms")
        if p95 > given.limit_ms:
            return


if __name__ == "__main__":
    main()
