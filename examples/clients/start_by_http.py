"""A client of the HTTP trigger: signs one request and sends it.

    python examples/clients/start_by_http.py --new-key KEY_FILE
    python examples/clients/start_by_http.py --key KEY_FILE
    python examples/clients/start_by_http.py --key KEY_FILE [--id ID] URL WORKFLOW_ID JSON

The first makes a key, the second prints the address of one; that address stands in the workflow's subscription. The
third starts a run. KEY_FILE holds a private key of secp256k1 as 64 hex digits. An id that is given again with the same
JSON starts no second run, so give one when you may have to repeat the request. Starting needs coincurve only.
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
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


def address(key: PrivateKey) -> str:
    """What stands in the workflow's subscription: the last 20 bytes of the hash of the point."""
    from strongroom.plugin import keccak256  # the Python library has none; whoever has an address needs none

    return "0x" + keccak256(key.public_key.format(compressed=False)[1:])[-20:].hex()


def new_key(path: Path) -> PrivateKey:
    """A new key in a new file that only its owner reads. Exits when there is one already."""
    key = PrivateKey()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key.to_hex() + "\n")
    except OSError as error:
        sys.exit(f"{path} cannot be made: {error.strerror}")
    return key


def read_key(path: Path) -> PrivateKey:
    """The key in a file. Exits when there is none; nothing of the file is shown."""
    try:
        return PrivateKey.from_hex(path.read_text().strip().removeprefix("0x"))
    except OSError as error:
        sys.exit(f"{path} cannot be read: {error.strerror}; --new-key {path} makes a key")
    except ValueError:
        sys.exit(f"{path} holds no private key: it must be 64 hex digits")


def start(key: PrivateKey, url: str, workflow_id: str, input_json: str, request_id: str) -> str:
    """What the trigger answered. Exits with what is wrong."""
    if not url.startswith(("http://", "https://")):
        sys.exit(f"{url} is not an HTTP trigger: its address begins with http:// or https://")
    try:
        params = {"workflow": {"workflowID": workflow_id}, "input": json.loads(input_json)}
    except ValueError as error:
        sys.exit(f"the input is not JSON: {error}")
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "workflows.execute", "params": params}).encode()
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {token(key, body)}"}
    try:
        request = urllib.request.Request(url, data=body, headers=fields)  # noqa: S310 - whoever calls this names the url
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - as above
            return json.dumps(json.load(response)["result"])
    except urllib.error.HTTPError as error:
        sys.exit(refusal(error.code, error.read()))
    except urllib.error.URLError as error:
        why = error.reason.strerror if isinstance(error.reason, OSError) else None
        sys.exit(f"{url} does not answer: {why or error.reason}; is http-trigger enabled, and does it listen there?")
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{url} gave no answer: {error}; repeat the request with --id {request_id}")
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"{url} is not an HTTP trigger: {error}")


def refusal(status: int, body: bytes) -> str:
    """One line of what the trigger said."""
    try:
        error = json.loads(body)["error"]
        data = error.get("data") or {}
        later = data.get("retryAfterSeconds")
        return f"{data.get('reason', status)}: {error['message']}" + (f"; again in {later} s" if later else "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{status}: {body.decode(errors='replace')[:500]}"


def main() -> None:
    """Do what the command line says. The exit code is 1 when it did not work."""
    parser = argparse.ArgumentParser(description="Start a workflow by a signed HTTP request.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--key", type=Path, help="file with the private key; without a URL its address is printed")
    which.add_argument("--new-key", type=Path, help="make a key in this file and print its address")
    parser.add_argument("--id", default=str(uuid.uuid4()), help="id of the request; a new one unless given")
    parser.add_argument("url", nargs="?", help="where the trigger listens, such as http://127.0.0.1:8477/")
    parser.add_argument("workflow_id", nargs="?", help="id of the workflow, 64 hex digits")
    parser.add_argument("input", nargs="?", help="any JSON")
    options = parser.parse_args()
    key = new_key(options.new_key) if options.new_key else read_key(options.key)
    if options.url is None:
        print(address(key))
    elif options.input is None:
        parser.error("give all of URL, WORKFLOW_ID and JSON")
    else:
        print(start(key, options.url, options.workflow_id, options.input, options.id))


if __name__ == "__main__":
    main()
