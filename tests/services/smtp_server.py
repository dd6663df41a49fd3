"""A real SMTP server (aiosmtpd) on 127.0.0.1 that can be asked to misbehave.

The first line on stdout is JSON: {"port": 1234} and, with TLS, "ca_file". Every mail that the server took is in
FOLDER as N.eml with N.json, {"from", "recipients"}, beside it. A line on stdin ends --slow and --silent, or changes
--auth if it is "auth USER:PASSWORD"; the end of stdin ends the server, so it never outlives the test that started it.
"""

import argparse
import asyncio
import json
import logging
import pathlib
import shutil
import ssl
import subprocess
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


class Server:
    """What happens to the mails of one server, over all of its connections."""

    def __init__(self, options):
        self.options = options
        self.taken = 0
        self.dies = options.dies_once
        self.released = asyncio.Event()

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address == self.options.refuse:
            return "550 5.1.1 No such user here"
        if address == self.options.defer:
            return "451 4.7.1 Greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient is welcome"

    async def handle_DATA(self, server, session, envelope):
        if self.options.refuse_data:
            return "554 5.6.0 This message is not wanted"
        self.taken += 1
        name = self.options.folder / str(self.taken)
        name.with_suffix(".eml").write_bytes(envelope.original_content)
        people = {"from": envelope.mail_from, "recipients": envelope.rcpt_tos}
        name.with_suffix(".json").write_text(json.dumps(people))
        await asyncio.sleep(self.options.pause)
        if self.options.slow:
            await self.released.wait()
        if self.dies:
            self.dies = False
            server.transport.abort()
        return f"250 2.0.0 Taken as {self.taken}"


class Connection(SMTP):
    """A connection, which a silent server leaves without a greeting until it is released."""

    async def _handle_client(self):
        if self.event_handler.options.silent:
            await self.event_handler.released.wait()
        await super()._handle_client()


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="where the mails go, and the certificate")
    parser.add_argument("--refuse", metavar="ADDRESS", help="answer 550 to this recipient")
    parser.add_argument("--defer", metavar="ADDRESS", help="answer 451 to this recipient")
    parser.add_argument("--refuse-data", action="store_true", help="answer 554 to every message")
    parser.add_argument("--silent", action="store_true", help="accept connections and greet only after a line on stdin")
    parser.add_argument("--slow", action="store_true", help="answer to a message only after a line on stdin")
    parser.add_argument("--pause", metavar="SECONDS", type=float, default=0, help="take so long over each message")
    parser.add_argument("--dies-once", action="store_true", help="take the first message and close without an answer")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="require these credentials")
    encryption = parser.add_mutually_exclusive_group()
    encryption.add_argument("--starttls", action="store_true", help="require STARTTLS")
    encryption.add_argument("--tls", action="store_true", help="speak TLS from the first byte")
    return parser.parse_args()


def make_certificate(folder):
    """A certificate for this machine, good for two days, and its key."""
    if shutil.which("openssl") is None:
        sys.exit("openssl is needed to make the test server's certificate: apt-get install openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-days", "2", "-subj", "/CN=Closing Bell test", "-keyout", key, "-out", certificate]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def checks(options):
    """An authenticator that knows one user."""

    def authenticate(server, session, envelope, mechanism, data):
        user, password = (part.encode() for part in options.auth.split(":", 1))
        return AuthResult(success=(data.login, data.password) == (user, password), handled=False)

    return authenticate


async def main(options):
    # It warns about its own deprecated habits with every login.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    server, context, told = Server(options), None, {}
    if options.tls or options.starttls:
        certificate, key = make_certificate(options.folder)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        told["ca_file"] = str(certificate)
    settings = {"hostname": "localhost", "require_starttls": options.starttls}
    if options.starttls:
        settings["tls_context"] = context
    if options.auth:
        settings |= {"authenticator": checks(options), "auth_required": True}
        # It knows of STARTTLS only: a connection that was encrypted from the start counts as plain.
        settings["auth_require_tls"] = options.starttls
        warnings.simplefilter("ignore")
    listener = await loop.create_server(
        lambda: Connection(server, loop=loop, **settings), "127.0.0.1", 0, ssl=context if options.tls else None
    )
    told["port"] = listener.sockets[0].getsockname()[1]
    print(json.dumps(told), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.startswith("auth "):
            options.auth = line.removeprefix("auth ").rstrip("\n")
        else:
            server.released.set()


if __name__ == "__main__":
    asyncio.run(main(read_options()))
