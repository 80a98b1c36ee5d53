"""Servers for tests of ports, inside a machine: files on 8000, a WebSocket echo on 8001, endless headers on 8002, and on 8003
bytes without an end, with a count of them in /root/sent."""

import base64
import hashlib
import http.server
import os
import socketserver
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        key = self.headers["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.end_headers()
        while True:
            head = self.rfile.read(2)
            if len(head) < 2 or head[0] & 15 == 8:
                break
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(head[1] & 127)))
            self.wfile.write(bytes((head[0], len(data))) + data)
        self.close_connection = True


class EndlessHeaders(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"x: " + b"y" * 1000 + b"\r\n")


class Endless(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        sent = 0
        while True:
            self.wfile.write(b"z" * 65536)
            sent += 65536
            with open("/root/sent.new", "w") as file:
                file.write(str(sent))
            os.rename("/root/sent.new", "/root/sent")


def serve(port, handler):
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.request_queue_size = 64
    server = socketserver.ThreadingTCPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever).start()


class Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory="/root/site")

    def log_message(self, *args):
        pass


for place in ((8000, Files), (8001, Echo), (8002, EndlessHeaders), (8003, Endless)):
    serve(*place)
print("serving", flush=True)
