"""Signs sample requests with HubSpot's official Python client (PyPI: hubspot-api-client 12.0.0).

    python make_signed_vectors.py > signed_by_hubspot_client.json

The client does not decode the URI before it signs v3, as HubSpot's documentation asks for, so v3 URIs here hold none of
the twelve escapes that are decoded. The output is the same on every run.
"""

import json
import sys
from importlib.metadata import version

from hubspot.utils.signature import Signature

SECRETS = ["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", "s", "pässwört-£-🔑", "x" * 200]
URIS = [
    "https://hooks.example.com/webhooks/hubspot",
    "https://hooks.example.com/webhooks/hubspot/",
    "http://127.0.0.1:8080/webhooks/hubspot",
    "https://abc123.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot",
    "https://hooks.example.com/in?tenant=7&b=2&a=1",
    "https://hooks.example.com/in?q=a%20b%2Bc%26d%3De%25",
    "https://hooks.example.com/in?",
    "https://hooks.example.com/in?name=%C3%A9t%C3%A9",
]
BODIES = [
    "",
    "[]",
    '[{"eventId":1,"portalId":62515,"objectId":123,"subscriptionType":"deal.creation","occurredAt":1795000000000}]',
    '[ {"objectId" : 1.0} ]\r\n',
    '[{"propertyValue":"Grüße, 株式会社 ، مرحبا 🎉👩‍👩‍👧"}]',
    "no JSON \t\u0000\u0001\u007f\uffff\U0001f4b6",
    "x" * 300,
]
METHODS = ["POST", "GET"]
TIMESTAMPS = ["1795000000000", "1", "000001795000000"]


def cases():
    for s, secret in enumerate(SECRETS):
        for u, uri in enumerate(URIS):
            for b, body in enumerate(BODIES):
                # All versions for every secret, address and body, with the rest taken in turn.
                method = METHODS[(s + u + b) % 7 == 0]
                timestamp = TIMESTAMPS[0 if (s + b) % 3 else (u + b) % 3]
                signed = {"secret": secret, "method": method, "uri": uri, "body": body, "timestamp": timestamp}
                for name in ("v1", "v2", "v3"):
                    signed[name] = Signature.get_signature(secret, body, name, uri, method, timestamp)
                yield signed


def main():
    client = f"hubspot-api-client {version('hubspot-api-client')}"
    rows = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases())
    sys.stdout.write(f'{{"client": {json.dumps(client)}, "cases": [\n{rows}\n]}}\n')


main()
