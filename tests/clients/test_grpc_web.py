"""A client that speaks gRPC-Web and gRPC over HTTP/1.1 byte by byte, as a browser's generated code does."""

import base64
import socket
import struct
import unittest
from urllib.parse import unquote

from server import PATIENCE, Server

ORIGIN = "https://app.example.org"


def framed(message):
    """A message as it is sent: uncompressed, with its length."""
    return struct.pack(">BI", 0, len(message)) + message


def ask(server, method, headers, body=b""):
    """Sends a request over a connection of its own; the status, the headers and all that comes after them."""
    lines = [f"{method} /shop.Orders/List HTTP/1.1", f"Host: {server.address}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        reply = b""
        while part := connection.recv(4096):
            reply += part
    head, _, rest = reply.partition(b"\r\n\r\n")
    status, *fields = head.decode("ascii").split("\r\n")
    pairs = [field.split(": ", 1) for field in fields]
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a header is there twice: {names}"
    return int(status.split()[1]), dict(pairs), rest


class GrpcWeb(unittest.TestCase):
    def call(self, server, content_type, body, **headers):
        asked = {"Content-Type": content_type, "Accept": content_type, "X-Grpc-Web": "1", **headers}
        return ask(server, "POST", asked, body)

    def test_a_call_is_unavailable_and_says_so_in_its_headers_alone(self):
        order = framed(b"\x08\x01")
        with Server(MAINTENANCE_TITLE="Fermé à 100 %", RETRY_AFTER="90", RETRY_JITTER="0") as server:
            for sent, told, body in [
                ("application/grpc-web+proto", "application/grpc-web", order),
                ("application/grpc-web", "application/grpc-web", order),
                ("application/grpc-web-text+proto", "application/grpc-web-text", base64.b64encode(order)),
                ("application/grpc+proto", "application/grpc", order),
            ]:
                with self.subTest(sent):
                    status, headers, rest = self.call(server, sent, body)
                    self.assertEqual((status, headers["content-type"], rest), (200, told, b""))
                    self.assertEqual(headers["content-length"], "0")
                    self.assertEqual(headers["grpc-status"], "14")
                    # Never again by the channel itself, whose wait would turn it into DEADLINE_EXCEEDED.
                    self.assertEqual(headers["grpc-retry-pushback-ms"], "-1")
                    self.assertEqual(headers["retry-after"], "90")
                    self.assertEqual(headers["maintenance-mode"], "on")
                    self.assertEqual(headers["cache-control"], "no-store")
                    self.assertTrue(headers["grpc-message"].isascii())
                    self.assertTrue(unquote(headers["grpc-message"]).startswith("Fermé à 100 %"), headers["grpc-message"])

    def test_a_browser_of_an_allowed_origin_may_ask_and_read_it(self):
        with Server(CORS_ALLOW_ORIGINS=ORIGIN) as server:
            asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-grpc-web"}
            status, headers, rest = ask(server, "OPTIONS", {"Origin": ORIGIN, **asks})
            self.assertEqual((status, rest), (204, b""))
            self.assertEqual(headers["access-control-allow-origin"], ORIGIN)
            self.assertEqual(headers["access-control-allow-methods"], "POST")
            self.assertEqual(headers["access-control-allow-headers"], "content-type,x-grpc-web")

            status, headers, _ = self.call(server, "application/grpc-web+proto", framed(b""), Origin=ORIGIN)
            self.assertEqual((status, headers["grpc-status"]), (200, "14"))
            self.assertEqual(headers["access-control-allow-origin"], ORIGIN)
            readable = headers["access-control-expose-headers"].split(", ")
            self.assertLessEqual({"grpc-status", "grpc-message", "Retry-After"}, set(readable))

            _, headers, _ = self.call(server, "application/grpc-web+proto", framed(b""), Origin="https://example.org")
            self.assertNotIn("access-control-allow-origin", headers)

    def test_what_is_no_call_gets_the_page(self):
        with Server() as server:
            for content_type in ("application/grpc-websocket", "application/json"):
                status, headers, _ = self.call(server, content_type, framed(b""), Accept="*/*")
                self.assertEqual((status, headers["maintenance-mode"]), (503, "on"), content_type)
                self.assertNotIn("grpc-status", headers)
            status, headers, _ = ask(server, "GET", {"Content-Type": "application/grpc-web"})
            self.assertEqual((status, "grpc-status" in headers), (503, False), "a GET is no call")
