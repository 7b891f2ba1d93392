"""Request each URL of the command line until it answers 200, for two minutes at most."""

import os
import ssl
import sys
import time
import urllib.error
import urllib.request

HEADERS = {"authorization": f"Bearer {os.environ['TOKEN']}"} if "TOKEN" in os.environ else {}

# The certificate may be for another name than the Service's. Only the token of a trial is sent.
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


def answer(url: str) -> str:
    """Return the body of a response with status 200, or an empty text after printing the reason."""
    request = urllib.request.Request(url, headers=HEADERS)
    try:
        with urllib.request.urlopen(request, timeout=5, context=CONTEXT) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        print(f"{url}: {error.code} {error.read().decode()}", flush=True)
    except OSError as error:
        print(f"{url}: {error}", flush=True)
    return ""


end = time.monotonic() + 120
for url in sys.argv[1:]:
    while not (body := answer(url)):
        if time.monotonic() > end:
            sys.exit(f"{url}: expected 200 within two minutes")
        time.sleep(2)
    print(f"{url}: 200 {body}", flush=True)
