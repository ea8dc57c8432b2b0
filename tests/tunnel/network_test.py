#!/usr/bin/env python3
"""The tunnel between hosts of their own addresses, among strangers.

usage: network_test.py <tunnel_peer> <basp_peer or ''> <node_peer or ''>
                       [unittest arguments]

Three hosts: the first runs a service behind a tunnel server, the second dials
it, the third belongs to strangers. After each attack the reason is counted, the
memory and the descriptors of the server are as before, and the service works.
"""

import contextlib
import os
import pathlib
import random
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import unittest

import wire
from lab import Lab, skip_unless_possible, wait_for

PROGRAM = ""
BASP_PROGRAM = ""
NODE_PROGRAM = ""
TUNNEL_PORT = 7401
HANDSHAKE_MS = 3_000
IDLE_MS = 5_000
GROWTH_KIB = 16 * 1024
# ThreadSanitizer keeps shadows of memory: what it grows by then says nothing.
MEMORY_IS_OURS = "thread" not in os.environ.get("NEUROPLEX_SANITIZE", "")

LAB = None
DIRECTORY = None
FOREIGN = None


def setUpModule():
    global LAB, DIRECTORY, FOREIGN
    LAB = Lab(3)
    root = pathlib.Path(tempfile.mkdtemp(prefix="neuroplex-network-"))
    unittest.addModuleCleanup(shutil.rmtree, root)
    unittest.addModuleCleanup(LAB.close)
    DIRECTORY, FOREIGN = root / "ours", root / "theirs"
    for directory in (DIRECTORY, FOREIGN):
        directory.mkdir()
        run("authority", directory)
    for replica in (1, 2, 3, 9):
        run("issue", DIRECTORY, replica)
    run("issue", FOREIGN, 2)
    run("issue", DIRECTORY, 4, -10, 5)
    issue_unnamed()


def run(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments)], check=True)


def issue_unnamed():
    """A certificate of our authority that names a host but no replica."""
    def path(name):
        return str(DIRECTORY / name)

    subprocess.run(["openssl", "req", "-new", "-newkey", "ed25519", "-nodes",
                    "-keyout", path("unnamed.key"), "-subj", "/CN=unnamed",
                    "-out", path("unnamed.csr")], check=True,
                   capture_output=True)
    pathlib.Path(path("unnamed.ext")).write_text(
        "subjectAltName=DNS:replica-2,URI:http://replica/2\n", encoding="ascii")
    subprocess.run(["openssl", "x509", "-req", "-in", path("unnamed.csr"),
                    "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-days",
                    "5", "-extfile", path("unnamed.ext"), "-out",
                    path("unnamed.pem")], check=True, capture_output=True)


def exchange(host, port, payload):
    """Sends bytes to an echo service and reads as many back."""
    with host.connect("127.0.0.1", port) as connection:
        connection.setblocking(True)
        connection.settimeout(60)
        received = bytearray()
        sent = 0
        while len(received) < len(payload):
            # Both ways at once, as the echo does not read while it must write.
            if sent < len(payload):
                sent += connection.send(payload[sent:sent + 65_536])
            part = connection.recv(1 << 20)
            if not part:
                break
            received += part
        return bytes(received) == payload


def close_all(sockets):
    for each in sockets:
        each.close()


class TunnelTest(unittest.TestCase):
    """A service on the first host, dialled by the second."""

    inspection = "bytes"

    @classmethod
    def start_service(cls):
        return LAB.start(cls.home, PROGRAM, "echo")

    @classmethod
    def setUpClass(cls):
        cls.home, cls.away, cls.stranger = LAB.hosts
        cls.service = cls.start_service()
        cls.addClassCleanup(cls.service.stop)
        cls.server = LAB.start(cls.home, PROGRAM, "serve", DIRECTORY, 1,
                               cls.home.address, cls.service.port, "2,3",
                               cls.inspection, HANDSHAKE_MS, IDLE_MS)
        cls.addClassCleanup(cls.server.stop)
        cls.client = cls.dial()
        cls.addClassCleanup(cls.client.stop)

    @classmethod
    def dial(cls, replica=2, incarnation=1, peer=1):
        return LAB.start(cls.away, PROGRAM, "dial", DIRECTORY, replica,
                         incarnation, peer, cls.home.address, cls.server.port,
                         cls.inspection, IDLE_MS)

    def check_growth(self, process, before_kib, limit_kib=GROWTH_KIB):
        if MEMORY_IS_OURS:
            self.assertLess(process.resident_kib() - before_kib, limit_kib)

    def works(self):
        return exchange(self.away, self.client.port, b"still here")

    def attack(self):
        return self.stranger.connect(self.home.address, self.server.port)

    def join(self, replica=3, **fields):
        peer = wire.Peer(self.attack(), wire.tls_settings(DIRECTORY, replica))
        kind, _ = peer.join(replica, **fields)
        self.assertEqual(kind, wire.WELCOME)
        return peer

    @contextlib.contextmanager
    def counted(self, reason, times=1, at_least=False):
        """The block makes `reason` grow by `times`, and does no harm."""
        wait_for(lambda: self.server.count("open") == 0, "nothing open")
        before = self.server.count(reason)
        memory = self.server.resident_kib()
        descriptors = self.server.descriptors()
        yield
        wait_for(lambda: self.server.count(reason) - before >= times,
                 f"{times} x {reason}: {self.server.stats()}")
        wait_for(lambda: self.server.count("open") == 0, "nothing open")
        if not at_least:
            self.assertEqual(self.server.count(reason) - before, times)
        self.assertLessEqual(self.server.descriptors(), descriptors)
        self.check_growth(self.server, memory)
        self.assertTrue(self.works())


class BytesTest(TunnelTest):
    """A service that is no BASP: the transport itself."""

    def test_bytes_cross_unchanged(self):
        payload = random.Random(1).randbytes(3_000_000)
        self.assertTrue(exchange(self.away, self.client.port, payload))
        self.assertGreaterEqual(self.server.count("from_peers"), len(payload))

    def test_the_service_is_not_reachable_from_other_hosts(self):
        with self.assertRaises(OSError):
            self.stranger.connect(self.home.address, self.service.port)

    def test_silent_connections_are_closed(self):
        def refused():
            return self.server.count("address_limit") - refused_before

        refused_before = self.server.count("address_limit")
        # Some come in when the first ones have been closed.
        with self.counted("handshake_deadline", 128, at_least=True):
            before = self.server.count("handshake_deadline")
            sockets = [self.attack() for _ in range(1_000)]
            wait_for(lambda: refused() > 0, "most refused at once")
            self.assertTrue(self.works())
            wait_for(lambda: self.server.count("open") == 0, "silence ended")
            self.assertEqual(refused() + self.server.count("handshake_deadline")
                             - before, 1_000)
            close_all(sockets)

    def test_a_slow_hello_is_closed(self):
        with self.counted("handshake_deadline"):
            connection = self.attack()
            connection.settimeout(0.2)
            hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(400)
            with contextlib.suppress(OSError):
                for each in hello:
                    connection.send(bytes([each]))
                    with contextlib.suppress(socket.timeout):
                        if connection.recv(100) == b"":
                            break
            connection.close()

    def test_random_bytes_are_no_tls(self):
        noise = random.Random(2)
        with self.counted("not_tls", 20):
            for _ in range(20):
                connection = self.attack()
                with contextlib.suppress(OSError):
                    connection.sendall(b"\x80" + noise.randbytes(512 * 1024))
                connection.close()

    def test_http_is_no_tls(self):
        with self.counted("not_tls"):
            connection = self.attack()
            connection.sendall(b"GET / HTTP/1.1\r\nHost: replica\r\n\r\n")
            while connection.recv(4_096):
                pass
            connection.close()

    def shake_hands(self, settings):
        """A handshake that the server refuses sooner or later."""
        with contextlib.suppress(OSError, EOFError):
            peer = wire.Peer(self.attack(), settings)
            peer.ended()
            peer.close()

    def test_no_certificate(self):
        with self.counted("no_certificate"):
            self.shake_hands(wire.tls_settings())

    def test_a_certificate_of_another_authority(self):
        with self.counted("certificate_authority"):
            self.shake_hands(wire.tls_settings(FOREIGN, 2))

    def test_an_expired_certificate(self):
        with self.counted("certificate_expired"):
            self.shake_hands(wire.tls_settings(DIRECTORY, 4))

    def test_a_certificate_that_names_no_replica(self):
        with self.counted("wrong_name"):
            self.shake_hands(wire.tls_settings(DIRECTORY, name="unnamed"))

    def test_the_authority_itself_is_no_node(self):
        before = self.server.stats()
        self.shake_hands(wire.tls_settings(DIRECTORY, name="ca"))
        wait_for(lambda: sum(self.server.count(reason) - before.get(reason, 0)
                             for reason in ("certificate_invalid",
                                            "wrong_name")) == 1,
                 "refused")
        self.assertEqual(self.server.count("established"),
                         before["established"])

    def test_older_tls(self):
        for version in ("-tls1_2", "-tls1_1"):
            with self.counted("tls_version"):
                self.stranger.run(
                    "openssl", "s_client", version, "-cipher",
                    "DEFAULT:@SECLEVEL=0", "-connect",
                    f"{self.home.address}:{self.server.port}", "-cert",
                    DIRECTORY / "replica-2.pem", "-key",
                    DIRECTORY / "replica-2.key", input="")

    def refused(self, reason, replica=3, certificate=3, **fields):
        with self.counted(reason):
            peer = wire.Peer(self.attack(),
                             wire.tls_settings(DIRECTORY, certificate))
            kind, payload = peer.join(replica, **fields)
            self.assertEqual(kind, wire.REFUSE)
            self.assertIn(reason.encode(), payload)
            peer.close()
            return payload

    def test_a_newer_and_an_older_version_are_told_both_versions(self):
        text = self.refused("wire_version", version=9, oldest=7)
        self.assertIn(b"speaks version 1, the peer speaks 7..9", text)
        text = self.refused("wire_version", version=0, oldest=0)
        self.assertIn(b"speaks version 1, the peer speaks 0", text)

    def test_wrong_hellos(self):
        self.refused("other_cluster", cluster=b"other")
        self.refused("hello_identity", replica=2, certificate=3)
        self.refused("unknown_peer", replica=9, certificate=9)

    def test_a_first_frame_that_is_no_hello(self):
        for first in (wire.frame(wire.DATA, b"x"), wire.frame(wire.PING, bytes(8)),
                      wire.frame(wire.HELLO, b"XXXX" + bytes(20)),
                      random.Random(3).randbytes(4_096)):
            with self.counted("hello_malformed"):
                peer = wire.Peer(self.attack(), wire.tls_settings(DIRECTORY, 3))
                peer.send(first)
                peer.ended()
                peer.close()

    def test_frames_above_their_limit_and_unknown_ones(self):
        for reason, bad in (
                ("frame_oversize", struct.pack("<IB3x", 0xFFFFFFFF, wire.DATA)),
                ("frame_oversize", struct.pack("<IB3x", 513, wire.PING)),
                ("frame_malformed", wire.frame(99)),
                ("frame_malformed", wire.frame(wire.WELCOME, bytes(30))),
                ("frame_malformed", wire.hello(3))):
            with self.counted(reason):
                peer = self.join()
                peer.send(bad)
                peer.ended()
                peer.close()

    def test_a_second_life_of_a_live_peer_is_refused(self):
        first = self.join(3, incarnation=5)
        second = wire.Peer(self.attack(), wire.tls_settings(DIRECTORY, 3))
        kind, payload = second.join(3, incarnation=6)
        self.assertEqual(kind, wire.REFUSE)
        self.assertIn(b"duplicate_session", payload)
        second.close()
        # The first is asked for a sign of life, gives it, and stays.
        kind, payload = first.read_frame()
        self.assertEqual(kind, wire.PING)
        first.send(wire.frame(wire.PONG, payload))
        first.send(wire.frame(wire.DATA, b"mine"))
        while kind == wire.PING:
            kind, payload = first.read_frame()
        self.assertEqual((kind, payload), (wire.DATA, b"mine"))
        # One that gives none makes room.
        before = self.server.count("superseded")
        third = wire.Peer(self.attack(), wire.tls_settings(DIRECTORY, 3))
        self.assertEqual(third.join(3, incarnation=7)[0], wire.REFUSE)
        third.close()
        wait_for(lambda: self.server.count("superseded") == before + 1,
                 "the silent session ended")
        self.join(3, incarnation=7).close()
        first.close()

    def test_a_silent_stream_ends_at_the_idle_limit(self):
        with self.counted("idle"):
            peer = self.join()
            peer.ended()
            peer.close()

    def test_a_peer_that_floods_and_never_reads_costs_little_memory(self):
        memory = self.server.resident_kib()
        peer = self.join()
        peer.socket.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(2_000):
                peer.send(wire.frame(wire.DATA, bytes(65_536)))
        self.check_growth(self.server, memory)
        self.assertTrue(self.works())
        peer.reset()

    def test_connections_broken_in_every_state_leave_nothing(self):
        def plain():
            connection = self.attack()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
            connection.close()

        def after_hello_of_tls():
            connection = self.attack()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            half = wire.tls_settings(DIRECTORY, 3).wrap_bio(incoming, outgoing)
            with contextlib.suppress(ssl.SSLWantReadError):
                half.do_handshake()
            connection.sendall(outgoing.read())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
            connection.close()

        def after_tls():
            wire.Peer(self.attack(), wire.tls_settings(DIRECTORY, 3)).reset()

        def after_welcome():
            self.join().reset()

        def in_the_middle_of_data():
            peer = self.join()
            peer.send(struct.pack("<IB3x", 60_000, wire.DATA) + bytes(30_000))
            peer.reset()

        states = (plain, after_hello_of_tls, after_tls, after_welcome,
                  in_the_middle_of_data)
        for state in states:
            state()
        with self.counted("peer_reset", 100 * len(states)):
            for _ in range(100):
                for state in states:
                    state()

    def test_the_dialler_checks_who_answers(self):
        wrong = self.dial(peer=7)
        with contextlib.suppress(OSError):
            exchange(self.away, wrong.port, b"x")
        wait_for(lambda: wrong.count("wrong_name") == 1, "refused by name")
        self.assertIn("names replica 1, expected replica 7",
                      wrong.stats()["last_failure"])
        wrong.stop()

    def test_only_this_user_may_use_the_local_port(self):
        before = self.client.count("foreign_user")
        program = ("import os,socket,sys;os.setgid(65534);os.setuid(65534);"
                   "s=socket.socket();s.settimeout(60);"
                   f"s.connect(('127.0.0.1',{self.client.port}));"
                   "sys.exit(0 if s.recv(1)==b'' else 1)")
        done = self.away.run(sys.executable, "-c", program)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.client.count("foreign_user"), before + 1)

    def test_a_cut_cable_is_noticed_and_mended(self):
        self.assertTrue(self.works())
        idle = self.client.count("idle")
        with self.away.connect("127.0.0.1", self.client.port) as connection:
            connection.sendall(b"before")
            self.assertEqual(connection.recv(100), b"before")
            LAB.cut(2)
            try:
                wait_for(lambda: self.client.count("idle") == idle + 1,
                         "the client noticed")
                self.assertEqual(connection.recv(100), b"")
                wait_for(lambda: self.server.count("open") == 0,
                         "the server noticed")
            finally:
                LAB.mend(2)

        def works_again():
            with contextlib.suppress(OSError):
                return self.works()
            return False

        wait_for(works_again, "service after the repair")


def argument(index):
    return sys.argv[index] if len(sys.argv) > index else ""


@unittest.skipUnless(argument(2), "built without CAF")
class BaspTest(TunnelTest):
    """A CAF node, as CAF ships it, behind a tunnel that inspects."""

    inspection = "basp"

    @classmethod
    def start_service(cls):
        return LAB.start(cls.home, BASP_PROGRAM, "serve")

    def works(self):
        done = self.away.run(BASP_PROGRAM, "ask", self.client.port, 100)
        return done.returncode == 0 and self.service.alive()

    def test_actors_talk_through_the_tunnel(self):
        for size in (1, 1_000, 1 << 20, 8 << 20):
            done = self.away.run(BASP_PROGRAM, "ask", self.client.port, size)
            self.assertEqual(done.returncode, 0, (size, done.stderr))

    def test_the_header_that_ends_caf_does_not_reach_it(self):
        # Straight to its port, the header ends a node: the probe is real.
        victim = LAB.start(self.home, BASP_PROGRAM, "serve")
        with self.home.connect("127.0.0.1", victim.port) as connection:
            connection.sendall(wire.basp_header(wire.CLIENT_HANDSHAKE, 0))
            wait_for(lambda: not victim.alive(), "a plain CAF node dies of it")
        victim.stop()
        for operation, data in ((wire.CLIENT_HANDSHAKE, 0),
                                (wire.SERVER_HANDSHAKE, 3)):
            reason = ("basp_empty_handshake"
                      if operation == wire.CLIENT_HANDSHAKE else "basp_order")
            self.refused(reason, wire.basp_header(operation, 0, data))
        self.refused("basp_empty_handshake", wire.basp_greeting()
                     + wire.basp_header(wire.CLIENT_HANDSHAKE, 0, flags=2))

    def refused(self, reason, payload):
        with self.counted(reason):
            peer = self.join()
            peer.send(wire.frame(wire.DATA, payload))
            frames = peer.ended()
            self.assertEqual(frames[-1][0], wire.REFUSE)
            self.assertIn(reason.encode(), frames[-1][1])
            peer.close()

    def test_malformed_basp_is_counted_by_reason(self):
        greeting = wire.basp_greeting()
        header = wire.basp_header
        for reason, payload in (
                ("basp_payload_limit",
                 greeting + header(wire.DIRECT_MESSAGE, 0xFFFFFFFF, 1, 2, 3)),
                ("basp_payload_limit", header(wire.CLIENT_HANDSHAKE, 1 << 30)),
                ("basp_operation", greeting + header(7, 0)),
                ("basp_operation", header(255, 0)),
                ("basp_order", header(wire.DIRECT_MESSAGE, 8, 1, 2, 3)),
                ("basp_header", greeting + header(6, 0, 1)),
                ("basp_handshake_payload", header(wire.CLIENT_HANDSHAKE, 32)
                 + bytes(32)),
                ("basp_named_receiver",
                 greeting + header(wire.DIRECT_MESSAGE, 8, 0, 1,
                                   0xF374CEBBAC76ADFB, flags=1))):
            with self.subTest(reason=reason):
                self.refused(reason, payload)

    def test_half_a_header_and_silence_is_closed(self):
        for payload in (b"", b"\x01", wire.basp_greeting()[:31],
                        wire.basp_greeting() + b"\x02" * 16):
            with self.subTest(payload=payload), self.counted("basp_stall"):
                peer = self.join()
                if payload:
                    peer.send(wire.frame(wire.DATA, payload))
                self.keep_alive_until_ended(peer)

    def keep_alive_until_ended(self, peer):
        """Answers pings, so that only the guard can end the stream."""
        try:
            while True:
                kind, payload = peer.read_frame()
                if kind == wire.PING:
                    peer.send(wire.frame(wire.PONG, payload))
        except (EOFError, OSError):
            peer.close()

    def test_random_messages_after_a_handshake_do_not_hurt(self):
        noise = random.Random(4)
        memory = self.service.resident_kib()
        for _ in range(50):
            peer = self.join()
            peer.send(wire.frame(wire.DATA, wire.basp_greeting(
                pid=noise.randrange(1, 1 << 31))))
            size = noise.randrange(1, 4_000)
            with contextlib.suppress(OSError):
                peer.send(wire.frame(wire.DATA, wire.basp_header(
                    wire.DIRECT_MESSAGE, size, noise.getrandbits(64),
                    noise.randrange(1, 50), noise.randrange(1, 50))
                    + noise.randbytes(size)))
            peer.close()
        wait_for(lambda: self.server.count("open") == 0, "nothing open")
        self.assertTrue(self.works())
        self.check_growth(self.service, memory, 2 * GROWTH_KIB)


@unittest.skipUnless(argument(3), "built without CAF")
class NodesTest(unittest.TestCase):
    """Three nodes of a cluster, each on its host, with their tunnels on."""

    def setUp(self):
        self.nodes = {number: self.start(number) for number in (1, 2, 3)}

    def start(self, number):
        data = DIRECTORY / f"node-{number}"
        data.mkdir(exist_ok=True)
        peers = [f"{other}@{LAB.hosts[other - 1].address}"
                 for other in (1, 2, 3) if other != number]
        node = LAB.start(LAB.hosts[number - 1], NODE_PROGRAM, DIRECTORY, data,
                         number, TUNNEL_PORT, *peers)
        self.addCleanup(node.stop)
        return node

    def wait_for_peers(self, number, state, *others):
        wanted = {f"peer-{other}": state for other in others}
        wait_for(lambda: wanted.items() <= self.nodes[number].ask(
            "peers").items(), f"node {number} sees {wanted}")

    def wait_for_all(self):
        for number in (1, 2, 3):
            self.wait_for_peers(number, "connected", *({1, 2, 3} - {number}))

    def write(self, number, prefix):
        """Writes keys of all owners through a node; those that were taken."""
        taken = []
        for index in range(60):
            key = f"{prefix}{index}"
            if self.nodes[number].ask(f"set {key} v{key}")["code"] == "OK":
                taken.append(key)
        return taken

    def read(self, number, keys):
        return all(self.nodes[number].ask(f"get {key}").get("value")
                   == f"v{key}" for key in keys)

    def test_a_cluster_of_three_hosts_loses_one_and_gets_it_back(self):
        self.wait_for_all()
        keys = self.write(1, "a")
        self.assertEqual(len(keys), 60)
        for number in (1, 2, 3):
            self.assertTrue(self.read(number, keys), number)
        # The actors' own port is on loopback: other hosts cannot reach it.
        with self.assertRaises(OSError):
            LAB.hosts[1].connect(LAB.hosts[0].address, self.nodes[1].port)

        self.nodes[3].process.kill()
        self.nodes[3].process.wait()
        self.wait_for_peers(1, "lost", 3)
        self.assertTrue(0 < len(self.write(1, "b")) < 60)
        self.nodes[3] = self.start(3)
        self.wait_for_all()
        self.assertEqual(len(self.write(2, "c")), 60)

        LAB.cut(2)
        try:
            self.wait_for_peers(1, "lost", 2)
            self.assertTrue(0 < len(self.write(1, "d")) < 60)
        finally:
            LAB.mend(2)
        self.wait_for_all()
        self.assertEqual(len(self.write(3, "e")), 60)

    def test_a_node_survives_hostile_bytes_on_its_tunnel(self):
        self.wait_for_all()
        noise = random.Random(6)
        stranger, target = LAB.hosts[2], LAB.hosts[0]
        for _ in range(20):
            connection = stranger.connect(target.address, TUNNEL_PORT)
            with contextlib.suppress(OSError):
                connection.sendall(noise.randbytes(512 * 1024))
            connection.close()
        self.assertEqual(len(self.write(2, "f")), 60)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    skip_unless_possible()
    if not shutil.which("openssl"):
        print("skipped: needs openssl (apt-get install openssl)")
        sys.exit(77)
    PROGRAM, BASP_PROGRAM, NODE_PROGRAM = (
        os.path.abspath(each) if each else "" for each in sys.argv[1:4])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
