"""Keys for one server: a certificate authority of its own, a certificate for Google's host names, a service account."""

from __future__ import annotations

import collections
import contextlib
import datetime
import hashlib
import ipaddress
import json
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.name import _ASN1Type as ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = ("*.googleapis.com", "googleapis.com", "*.prediction.vertexai.goog", "*.vertexai.goog", "localhost")
HOSTS += ("*.us.rep.googleapis.com", "*.eu.rep.googleapis.com")  # of places that span regions


@dataclass(frozen=True)
class Keys:
    """Files that a server and its clients share; the private ones are readable by their owner only."""

    folder: Path
    account_public: bytes

    @property
    def bundle(self) -> Path:
        """The public certificate authorities and ours: other HTTPS in the notebook goes on working."""
        return self.folder / "bundle.pem"

    @property
    def authorities(self) -> Path:
        """As `bundle`, a file each: a client reads the one that it needs, where the whole costs it 25 ms a time."""
        return self.folder / "authorities"

    @property
    def authority(self) -> Path:
        """Our certificate authority alone."""
        return self.folder / "authority.pem"

    @property
    def certificate(self) -> Path:
        """The certificate of the local servers."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """The key of the local servers."""
        return self.folder / "server.key"

    @property
    def account(self) -> Path:
        """The service-account file for GOOGLE_APPLICATION_CREDENTIALS."""
        return self.folder / "service-account.json"


def _private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _subject_hash(certificate: x509.Certificate) -> str:
    """The file name under which OpenSSL looks for a certificate authority: a hash of its name in canonical form."""
    body = b""
    for rdn in certificate.subject.rdns:
        texts = [(a.oid, re.sub(r"[ \t-\r]+", " ", a.value).strip(" ").lower()) for a in rdn]
        canonical = [x509.NameAttribute(oid, text, ASN1Type.UTF8String, _validate=False) for oid, text in texts]
        name = x509.Name([x509.RelativeDistinguishedName(canonical)]).public_bytes()
        body += name[2 if name[1] < 128 else 2 + name[1] % 128 :]  # without the header of the outer sequence
    return f"{int.from_bytes(hashlib.sha1(body).digest()[:4], 'little'):08x}"


def _write_directory(folder: Path, bundle: str) -> None:
    """The certificates of `bundle` as files that OpenSSL finds by their names."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    seen: collections.Counter[str] = collections.Counter()
    for pem in re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", bundle, re.DOTALL):
        with warnings.catch_warnings(), contextlib.suppress(ValueError):  # old authorities bend the rules
            warnings.simplefilter("ignore")
            name = _subject_hash(x509.load_pem_x509_certificate(pem.encode()))
            (folder / f"{name}.{seen[name]}").write_text(pem)
            seen[name] += 1


def make_keys(folder: Path, project: str, token_uri: str) -> Keys:
    """Generate fresh keys in `folder`: nothing that was valid for an earlier server is valid for this one."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mlelab local stand-in for Vertex AI")])

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365))
        )

    authority = (
        builder(issuer, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName(host) for host in HOSTS] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), server_key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    account_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = account_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    keys = Keys(folder, public)
    pem = authority.public_bytes(serialization.Encoding.PEM)
    keys.authority.write_bytes(pem)
    keys.bundle.write_bytes(pem + Path(certifi.where()).read_bytes())
    _write_directory(keys.authorities, keys.bundle.read_text())
    keys.certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM) + pem)
    _private(keys.key, _pem(server_key))
    _private(
        keys.account,
        json.dumps(
            {
                "type": "service_account",
                "project_id": project,
                "private_key_id": "local",
                "private_key": _pem(account_key).decode(),
                "client_email": f"local@{project}.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": token_uri,
                "universe_domain": "googleapis.com",
            },
            indent=1,
        ).encode(),
    )
    return keys
