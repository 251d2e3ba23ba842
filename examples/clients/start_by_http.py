"""A client of the HTTP trigger: signs one request and sends it.

    python examples/clients/start_by_http.py --key KEY_FILE [--id ID] URL WORKFLOW_ID JSON

KEY_FILE holds a private key of secp256k1 as 64 hex digits; its address or public key stands in the workflow's
subscription. Needs coincurve only. An id that is given again with the same JSON starts no second run, so give one when
you may have to repeat the request.
"""

import argparse
import base64
import hashlib
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from coincurve import PrivateKey

LIFE_S = 60
TIMEOUT_S = 30


def encoded(data: bytes) -> str:
    """``data`` as tokens hold it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key: PrivateKey, body: bytes) -> str:
    """A token for ``body`` and nothing else, signed as ES256K (RFC 8812)."""
    now = int(time.time())
    header = {"alg": "ES256K", "typ": "JWT"}
    claims = {
        "digest": hashlib.sha256(body).hexdigest(),
        "iat": now,
        "exp": now + LIFE_S,
        "jti": str(uuid.uuid4()),
    }
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    # The library adds a 65th byte, which this algorithm does not have.
    return f"{signed}.{encoded(key.sign_recoverable(signed.encode())[:64])}"


def main() -> int:
    """Send the request and print what was accepted; the exit code."""
    parser = argparse.ArgumentParser(description="Start a workflow by a signed HTTP request.")
    parser.add_argument("--key", type=Path, required=True, help="file with the private key, 64 hex digits")
    parser.add_argument("--id", default=str(uuid.uuid4()), help="id of the request; a new one unless given")
    parser.add_argument("url", help="where the trigger listens, such as http://127.0.0.1:8477/")
    parser.add_argument("workflow_id")
    parser.add_argument("input", help="any JSON")
    options = parser.parse_args()
    params = {"workflow": {"workflowID": options.workflow_id}, "input": json.loads(options.input)}
    body = json.dumps({"jsonrpc": "2.0", "id": options.id, "method": "workflows.execute", "params": params}).encode()
    key = PrivateKey.from_hex(options.key.read_text().strip())
    request = urllib.request.Request(  # noqa: S310 - whoever calls this names the url
        options.url,
        data=body,
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token(key, body)}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - as above
            print(json.dumps(json.load(response)["result"]))
    except urllib.error.HTTPError as error:
        print(f"{error.code}: {error.read().decode(errors='replace')}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
