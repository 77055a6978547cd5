"""TLS of the Envoy door: certificates in files, which are read again when they are replaced.

Envoy reads them through its file-based discovery, because files that the configuration names
directly are read once. Replacing means renaming into their folder, as secret stores mount them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from quotasvc.doors.envoy_json import Json, typed

_TLS = "envoy.extensions.transport_sockets.tls.v3"
_OWN, _CALLERS = "own", "callers"
"""Names of the secrets, and of their files."""

FORWARDED: Json = {
    # What the caller wrote there itself is replaced.
    "forward_client_cert_details": "SANITIZE_SET",
    "set_current_client_cert_details": {"subject": True, "uri": True, "dns": True},
}
"""Options of the listener: the application finds the caller in `x-forwarded-client-cert`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files in PEM. With `callers_ca` callers must show a certificate of that authority, which
    must be for a URI that begins with `callers_uri`, where that is given ("spiffe://prod/").
    """

    certificate: Path
    key: Path
    callers_ca: Path | None = None
    callers_uri: str = ""


def transport_socket(tls: Tls, folder: Path) -> Json:
    """The listener's TLS; what Envoy reads it from is written into `folder`, the door's own."""
    own = {
        "certificate_chain": {"filename": str(tls.certificate)},
        "private_key": {"filename": str(tls.key)},
        "watched_directory": {"path": str(tls.certificate.parent)},
    }
    common: Json = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_secret(folder, _OWN, tls_certificate=own)],
    }
    if tls.callers_ca is not None:
        callers: Json = {
            "trusted_ca": {"filename": str(tls.callers_ca)},
            "watched_directory": {"path": str(tls.callers_ca.parent)},
        }
        if tls.callers_uri:
            matcher = {"san_type": "URI", "matcher": {"prefix": tls.callers_uri}}
            callers["match_typed_subject_alt_names"] = [matcher]
        common["validation_context_sds_secret_config"] = _secret(
            folder, _CALLERS, validation_context=callers
        )
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(
            f"{_TLS}.DownstreamTlsContext",
            common_tls_context=common,
            require_client_certificate=tls.callers_ca is not None,
        ),
    }


def _secret(folder: Path, name: str, **secret: Json) -> Json:
    """Where a secret is found; written there."""
    path = folder / f"{name}.json"
    resource = typed(f"{_TLS}.Secret", name=name, **secret)
    path.write_text(json.dumps({"resources": [resource]}))
    source = {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}
