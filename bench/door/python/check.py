"""Signature checks per second with HubSpot's official client for Python: `check.py SECONDS URL BODY`. Prints one whole number."""

import sys
import time

from hubspot.utils.signature import Signature

seconds, url, body_file = float(sys.argv[1]), sys.argv[2], sys.argv[3]
with open(body_file, encoding="utf-8") as file:
    body = file.read()
timestamp = str(int(time.time() * 1000))
signature = Signature.get_signature("bench", body, "v3", url, "POST", timestamp)

start, checks = time.perf_counter(), 0
while (elapsed := time.perf_counter() - start) < seconds:
    for _ in range(16):
        if not Signature.is_valid(signature, "bench", body, url, "POST", "v3", timestamp):
            sys.exit("a good signature was refused")
    checks += 16
print(int(checks / elapsed))
