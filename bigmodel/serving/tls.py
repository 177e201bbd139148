"""TLS from files."""

import ssl
from pathlib import Path

from bigmodel.errors import UserError
from bigmodel.serving.settings import Tls


def context(tls: Tls) -> ssl.SSLContext | None:
    """What the connections are secured with; None without a certificate.

    With `client_ca`, only clients with a certificate of its are heard. Raises UserError naming the
    file that does not do.
    """
    files = {"certificate": tls.certificate, "key": tls.key, "client_ca": tls.client_ca}
    for name, path in files.items():
        if path is not None and not Path(path).is_file():
            raise UserError(f"serving.tls.{name}={path}: no such file")
    if tls.certificate is None:
        if tls.key or tls.client_ca:
            raise UserError("serving.tls.certificate: needed for TLS, and not given")
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(tls.certificate, tls.key, password=lambda: "")  # asks nobody for one
        if tls.client_ca:
            made.load_verify_locations(tls.client_ca)
            made.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # of ssl, too
        raise UserError(
            f"serving.tls.certificate={tls.certificate}: not a certificate with its key, in PEM "
            f"and without a password ({error})"
        ) from error
    return made
