"""An HTTPS server on 127.0.0.1 that answers like a door: a signed POST with 200, another with 401, everything else with 405.

The first line on stdout is JSON: {"port": 1234, "ca_file": "…"}. The end of stdin ends the server, so it never outlives the
test that started it. The certificate is good for two days.
"""

import http.server
import json
import pathlib
import ssl
import sys
import threading

from smtp_server import make_certificate


class Door(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200 if self.headers["X-HubSpot-Signature-v3"] else 401)

    def do_GET(self):
        self.answer(405)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main(folder):
    certificate, key = make_certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_port, "ca_file": str(certificate)}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
