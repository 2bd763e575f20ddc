"""TLS for the runtime: a certificate authority of this state folder's own, made anew at each start.

The leaf also carries AWS's own runtime host names, so that a client with such a name written into it can be
redirected by name resolution alone. AWS's HTTP/2 client speaks HTTP/2 over TLS only, hence TLS on this machine at all.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import boto3
import trustme


@dataclass(frozen=True)
class Certificates:
    """``ca_file`` holds our authority alone, ``ca_bundle`` the system's too: that is what clients should trust."""

    ca_file: Path
    ca_bundle: Path
    context: ssl.SSLContext


def make_certificates(folder: Path) -> Certificates:
    """Write the authority's files into ``folder``; return them with the server's TLS context."""
    authority = trustme.CA(organization_name="dgsm_helpers embedded AWS")
    regions = boto3.Session().get_available_regions("sagemaker")
    names = [f"runtime.sagemaker.{region}.amazonaws.com" for region in regions]
    leaf = authority.issue_cert("127.0.0.1", "localhost", *names)
    ca_file, ca_bundle = folder / "ca.pem", folder / "bundle.pem"
    authority.cert_pem.write_to_path(ca_file)
    system = Path(ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile)
    roots = system.read_bytes() if system.is_file() else b""
    ca_bundle.write_bytes(roots + b"\n" + authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return Certificates(ca_file=ca_file, ca_bundle=ca_bundle, context=context)
