"""The certificate and key of https://, checked before the page starts."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any


def read_certificate(certificate: str | None, key: str | None) -> dict[str, Any]:
    """Return the arguments of Uvicorn for a certificate; empty for http://.

    Args:
        certificate: a PEM file, the chain included; None for http://.
        key: a PEM file; None if the file of the certificate holds it.

    Raises:
        ValueError: a file cannot be read, is no PEM file, or the key is encrypted or of another
            certificate.
    """
    if certificate is None:
        return {}
    for name, path in (("certificate", certificate), ("key", key)):
        if path is not None:
            _check_file(f"serve.{name}={path}", Path(path))
    given = f"serve.certificate={certificate}" + (f" and serve.key={key}" if key else "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, _refuse_password)
    except ssl.SSLError as error:
        raise ValueError(_explain_error(given, key, error)) from error
    return {"ssl_certfile": certificate, "ssl_keyfile": key}


def _check_file(setting: str, path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise ValueError(
            f"{setting} cannot be read ({error.strerror}); expected a PEM file"
        ) from error


def _refuse_password() -> str:
    """Raise: a password cannot be typed when the program starts."""
    raise ValueError(
        "serve.key= is encrypted; expected a key without a password. Write one with: openssl pkey "
        "-in key.pem -out plain.pem"
    )


def _explain_error(given: str, key: str | None, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{given} do not belong together: the key belongs to another certificate"
    advice = "" if key else ". If the key is in a file of its own, name it with serve.key="
    return f"{given}: expected a certificate and its key in PEM format{advice}"
