"""A private certificate authority, and the server's certificate. Both are new at each start."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


def server_context(ca_file: Path) -> ssl.SSLContext:
    """Write the authority's certificate to the file. Returns the context of the server."""
    authority = trustme.CA(organization_name="image-steward stand-in")
    certificate = authority.issue_cert("localhost", "127.0.0.1", "::1")
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
