"""What a whole worker makes of a connection that fails, at every message of its session's start and its transactions.

Between the worker and the upstream stands a proxy that spoils one message of each connection in turn: the connection is
cut before it, or in the middle of it, or falls silent in that direction from it on. The worker writes numbered
transactions of two rows, the second in a subtransaction. Whatever happens: what it says is committed is there, no
transaction is there by half or twice, an outcome that nobody knows is called that, and the worker is back afterwards.
(`unit.SessionFaultTest` is about the session alone.)
"""

import os
import re
import signal
import socket
import struct
import threading
import time

import harness
from harness import wait_until


class Proxy:
    """Forwards connections to the upstream, message by message; spoils those whose application_name is the worker's."""

    def __init__(self, space, target, worker):
        self.folder = os.path.join(space.folder, "proxy")
        os.mkdir(self.folder)
        path = os.path.join(self.folder, ".s.PGSQL.5432")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(50)
        os.chmod(path, 0o777)
        harness.give_to_user(self.folder)
        self.target = target
        self.worker = worker.encode()
        self.faults = []        # (kind, from_client, at), one for each connection to come; under the lock
        self.fired = 0
        self.delay = 0.0        # of every message, in seconds
        self.silent = threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        path = self.listener.getsockname()
        self.listener.close()
        os.unlink(path)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.converse, args=(client,), daemon=True).start()

    @staticmethod
    def exactly(sock, size):
        data = b""
        while len(data) < size:
            more = sock.recv(size - len(data))
            if not more:
                raise OSError("end")
            data += more
        return data

    def converse(self, client):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.target)
            size = self.exactly(client, 4)
            first = size + self.exactly(client, struct.unpack("!I", size)[0] - 4)
            server.sendall(first)
        except OSError:
            client.close()
            server.close()
            return
        spoiled = b"\0application_name\0" + self.worker + b"\0" in first
        fault = None
        if spoiled:
            with self.lock:
                fault = self.faults.pop(0) if self.faults else None
        ready = threading.Event()
        threads = [threading.Thread(target=self.forward, args=(a, b, from_client, fault, ready, spoiled), daemon=True)
                   for a, b, from_client in ((client, server, True), (server, client, False))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        server.close()

    def forward(self, source, target, from_client, fault, ready, delayed):
        number = 0  # of the messages after the session was first ready for a query
        try:
            while True:
                head = self.exactly(source, 5)
                message = head + self.exactly(source, struct.unpack("!I", head[1:])[0] - 4)
                if ready.is_set():
                    if fault and fault[1] == from_client and fault[2] == number:
                        self.spoil(fault[0], message, target, source)
                        return
                    number += 1
                    if delayed and self.delay:
                        time.sleep(self.delay)
                elif head[:1] == b"Z" and not from_client:
                    ready.set()
                target.sendall(message)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def spoil(self, kind, message, target, source):
        with self.lock:
            self.fired += 1
        if kind == "truncate":
            target.sendall(message[:len(message) // 2])
        if kind == "half_open":
            self.silent.set()
            while source.recv(65536):  # gets lost, until the other end is gone
                pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# More than the messages of the session's start and of a transaction, in either direction: the last fault of each
# series hits a transaction that is not the first.
MESSAGES = {True: 60, False: 70}


def ledger(space, faults=()):
    upstream = space.postgres("upstream").start()
    upstream.sql("CREATE TABLE ledger (id int, part int)")
    proxy = Proxy(space, f"{upstream.socket}/.s.PGSQL.{upstream.port}", "w")
    proxy.faults = list(faults)
    host = space.host(upstream=f"host={proxy.folder} port=5432 dbname=postgres user=postgres", settings={
        "shared_preload_libraries": "probe_session", "probe_session.workers": "w ledger restart=0 db"}).start()
    return upstream, proxy, host


def settle(upstream, proxy, host):
    """After the last fault the worker works again; then the log and the table must agree."""
    mark = host.log.mark()
    host.log.wait_for(r"probe: committed", start=mark, count=3)
    host.stop()
    proxy.close()
    text = host.log.text()
    rows = dict(tuple(map(int, line.split("|"))) for line in
                upstream.sql("SELECT id, count(*) FROM ledger GROUP BY id ORDER BY id").splitlines())
    assert set(rows.values()) == {2}, "a transaction is there by half or twice"
    assert list(rows) == list(range(1, len(rows) + 1))
    committed = set(map(int, re.findall(r"probe: committed (\d+)", text)))
    assert committed <= set(rows), "what was said to be committed is not there"
    # What is there though nobody said so: the answer was lost, and the worker said that it does not know.
    unsaid = set(rows) - committed
    unknown = host.log.count(r"FATAL:  .*it is not known whether the transaction was committed")
    stopped = 1 + host.log.count(r"FATAL:  terminating background worker")
    assert len(unsaid) <= unknown + stopped, (unsaid, unknown)
    for line in host.log.lines:
        match = re.search(r"\|w\] (FATAL|ERROR|PANIC):  (.*)", line)
        if match:
            assert re.search(r"server closed the connection|connection .*lost|not known|terminating background worker|"
                             r"could not receive data|could not send data|upstream", match.group(2)), line
    return unknown


def every_message(kind):
    return [(kind, from_client, at) for from_client in (True, False) for at in range(MESSAGES[from_client])]


def spoiled_series(space, kind):
    faults = every_message(kind)
    upstream, proxy, host = ledger(space, faults)
    wait_until(lambda: proxy.fired == len(faults), 120 * harness.SLOW, f"every fault: {kind}")
    assert settle(upstream, proxy, host) > 0  # the answer to a COMMIT was among what got lost


def test_cut_at_every_message(space):
    spoiled_series(space, "cut")


def test_truncated_at_every_message(space):
    spoiled_series(space, "truncate")


def test_silence_from_every_third_message_on(space):
    """The worker waits, as it would for a server that is silent; SIGTERM ends it, and it starts again."""
    faults = every_message("half_open")[::3]
    upstream, proxy, host = ledger(space, faults)
    for number in range(len(faults)):
        assert proxy.silent.wait(harness.DEADLINE), f"fault {number}"
        proxy.silent.clear()
        os.kill(host.worker("w"), signal.SIGTERM)
    wait_until(lambda: proxy.fired == len(faults), what="every fault")
    settle(upstream, proxy, host)


def test_every_message_late(space):
    upstream, proxy, host = ledger(space)
    proxy.delay = 0.01
    host.log.wait_for(r"probe: committed", count=5)
    proxy.delay = 0
    assert settle(upstream, proxy, host) == 0
    assert not host.log.count(r"FATAL:  (?!terminating)")
