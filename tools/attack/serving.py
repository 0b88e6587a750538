"""Clients of a small HTTP server on one pool: every answer must be that of the client's own image.

The server is the standard library's, a thread for each connection; 64 clients ask it on the loopback device, each with
images of its own in three sizes, over connections that they keep. Each answer is compared, bit by bit, with what
the net gives to that image alone, and the memory of the pool with the net's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

import netc
from tools.attack import Tally

CLIENTS = 64
REPLICAS = 4
IMAGES = 40
SIZES = (12, 9, 17)
NET = """
input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 24 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 50 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def handler(pool: netc.Pool) -> type[BaseHTTPRequestHandler]:
    """What answers a request: the image as float32 in its body, its size in the path; the scores as float32."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            size = int(self.path.strip("/"))
            answer = pool.forward(data=np.frombuffer(body, np.float32).reshape(1, 3, size, size))["prob"].tobytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


class Server(ThreadingHTTPServer):
    """It takes as many connections at once as there are clients."""

    request_queue_size = CLIENTS
    daemon_threads = True


@contextmanager
def serving(pool: netc.Pool) -> Iterator[int]:
    """Within `with`, a server on this pool; its port."""
    with Server(("127.0.0.1", 0), handler(pool)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def images(seed: int) -> list[np.ndarray]:
    """What clients ask about."""
    rng = np.random.default_rng(seed)
    sizes = [SIZES[i % len(SIZES)] for i in range(IMAGES)]
    return [rng.normal(size=(1, 3, size, size)).astype(np.float32) for size in sizes]


class Clients:
    """Ask a server so many times, from threads of their own."""

    def __init__(self, port: int, count: int, asked: list[np.ndarray], wanted: list[bytes]) -> None:
        self.port, self.asked, self.wanted = port, asked, wanted
        self._turns, self._lock = iter(range(count)), threading.Lock()

    def run(self) -> list[str]:
        """What failed."""
        with ThreadPoolExecutor(CLIENTS) as threads:
            return [failure for found in threads.map(self._client, range(CLIENTS)) for failure in found]

    def _client(self, number: int) -> list[str]:
        failures = []
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            while (turn := self._next()) is not None:
                index = (7 * turn + number) % len(self.asked)
                connection.request("POST", f"/{self.asked[index].shape[2]}", self.asked[index].tobytes())
                answer = connection.getresponse()
                if answer.read() != self.wanted[index]:
                    failures.append(
                        f"request {turn} of client {number}, image {index}: {answer.status}, or not its answer"
                    )
        return failures

    def _next(self) -> int | None:
        with self._lock:
            return next(self._turns, None)


def run(count: int, seed: int) -> Tally:
    """Ask so many times."""
    tally, net = Tally(), netc.Net(netc.loads(NET), threads=1, seed=seed)
    asked = sorted(images(seed), key=lambda image: image.size)
    wanted = [net.forward(data=image)["prob"].tobytes() for image in asked]
    with netc.Pool(net, REPLICAS) as pool, serving(pool) as port:
        tally.failures += Clients(port, count, asked, wanted).run()
        tally.add("requests", count)
        (shared, own), taken = net.memory_held(), pool.memory
    if taken.shared > shared or taken.own > own * REPLICAS:
        tally.fail(f"the pool takes {taken}, where the net alone takes {shared} and {own} bytes")
    return tally
