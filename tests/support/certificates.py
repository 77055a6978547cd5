"""Certificates of a test's own authority, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            *("req", "-x509", "-subj", "/CN=authority", "-days", "2", *_NEW_KEY),
            *("-keyout", self._key, "-out", self.certificate),
        )

    def sign(self, name: str, alternative: str) -> Pair:
        """A certificate for "IP:127.0.0.1", "URI:spiffe://x/y", or the like."""
        folder = self._folder / name
        folder.mkdir()
        pair = Pair(folder / "certificate.pem", folder / "key.pem")
        request, extensions = folder / "request", folder / "extensions"
        extensions.write_text(f"subjectAltName={alternative}\n")
        subject = f"/CN={name}"
        self._openssl("req", "-subj", subject, *_NEW_KEY, "-keyout", pair.key, "-out", request)
        self._openssl(
            *("x509", "-req", "-in", request, "-days", "2", "-extfile", extensions),
            *("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial"),
            *("-out", pair.certificate),
        )
        return pair

    def _openssl(self, *words: str | Path) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
