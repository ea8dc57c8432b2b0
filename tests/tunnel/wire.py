"""The tunnel's frames and BASP headers, written a second time for the tests.

Independent of the C++ on purpose: a mistake in one of the two shows.
"""

import socket
import ssl
import struct

HELLO, WELCOME, REFUSE, DATA, PING, PONG, CLOSE = range(1, 8)
SERVER_HANDSHAKE, CLIENT_HANDSHAKE, DIRECT_MESSAGE = range(3)


def frame(kind, payload=b""):
    return struct.pack("<IB3x", len(payload), kind) + payload


def hello(replica, incarnation=1, cluster=b"lab", version=1, oldest=1):
    return frame(HELLO, b"NPLX" + struct.pack("<HHIQB", version, oldest, replica,
                                              incarnation, len(cluster))
                 + cluster)


def basp_header(operation, payload_bytes, data=0, source=0, destination=0,
                flags=0):
    return struct.pack(">BxxBIQQQ", operation, flags, payload_bytes, data,
                       source, destination)


def basp_node(host=b"\x09" * 20, pid=77):
    return struct.pack(">QI", 0x3E9AAB9BAC79, pid) + host


def basp_greeting(**node):
    payload = basp_node(**node)
    return basp_header(CLIENT_HANDSHAKE, len(payload)) + payload


def tls_settings(directory=None, replica=None, name=None):
    """A client that checks nothing and shows the certificate it is told to."""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.check_hostname = False
    settings.verify_mode = ssl.CERT_NONE
    if directory is not None:
        stem = name or f"replica-{replica}"
        settings.load_cert_chain(f"{directory}/{stem}.pem",
                                 f"{directory}/{stem}.key")
    return settings


class Peer:
    """A hostile or clumsy peer that got through the TLS handshake."""

    def __init__(self, connection, settings):
        self.socket = settings.wrap_socket(connection)

    def send(self, payload):
        self.socket.sendall(payload)

    def read_frame(self):
        header = self.read(8)
        length, kind = struct.unpack("<IB3x", header)
        return kind, self.read(length)

    def read(self, count):
        result = b""
        while len(result) < count:
            part = self.socket.recv(count - len(result))
            if not part:
                raise EOFError
            result += part
        return result

    def join(self, replica, **fields):
        """Says hello; the server's answer."""
        self.send(hello(replica, **fields))
        return self.read_frame()

    def ended(self):
        """Reads to the end; the frames that came before it."""
        frames = []
        try:
            while True:
                frames.append(self.read_frame())
        except (EOFError, OSError):
            return frames

    def close(self):
        self.socket.close()

    def reset(self):
        """Breaks the connection without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.socket.close()
