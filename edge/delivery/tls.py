"""TLS towards the broker: the certificates, and what is wrong when there is no connection, as an operator would say it.

Not for the session (`edge.delivery.session`). In TLS 1.3 a client learns that its certificate was refused only when it
reads after the handshake, and an MQTT client has written by then: so the reason is found by `diagnose` with a
connection of its own, which sends nothing. Alerts: RFC 8446, section 6.2; verification codes:
openssl-verification-options(1).
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.settings.broker import Mqtt, Tls

CONNECT_S = 3.0
REFUSAL_S = 1.0  # how long after the handshake a refusal may come
EXPIRED, NOT_YET_VALID, NAMES, UNKNOWN_AUTHORITIES = 10, 9, (62, 64), (2, 18, 19, 20, 21)  # codes of X509_verify_cert


@dataclass(frozen=True)
class TlsFault:
    """Why the TLS connection fails, or why there must be one."""

    found: str
    """What is wrong, for the operator."""
    advice: str
    """What to do about it."""


def make_context(tls: Tls) -> ssl.SSLContext:
    """The certificates of the settings, read.

    Raises:
        ConfigError: a file is missing, is no certificate or key, or does not fit; it is named with its key.
    """
    for key, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        _check_readable(f"mqtt.tls.{key}", path)
    if tls.key is not None and tls.cert is None:
        raise ConfigError(f"mqtt.tls.key: {tls.key} needs its certificate as mqtt.tls.cert")
    try:
        context = ssl.create_default_context(cafile=tls.ca and tls.ca.expanduser())
    except ssl.SSLError as error:
        found = f"found none in {tls.ca} ({error.reason})"
        raise ConfigError(f"mqtt.tls.ca: expected a certificate (PEM), {found}") from None
    if tls.cert is not None:
        _load_client_certificate(context, tls.cert.expanduser(), tls.key and tls.key.expanduser())
    return context


def certificate_ends_s(path: Path) -> float:
    """When the first certificate in a file ends, seconds since 1970.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds none.
    """
    from cryptography import x509  # some MB that a node does without

    ends = x509.load_pem_x509_certificate(path.expanduser().read_bytes()).not_valid_after_utc
    return ends.timestamp()


def diagnose(settings: Mqtt, context: ssl.SSLContext | None, error: Exception | None = None) -> TlsFault | None:
    """What is wrong with TLS after a connection failed; None if it is something else.

    Args:
        settings: the broker.
        context: of these settings; None without `mqtt.tls`.
        error: what the connection failed with; None if the broker closed it without an answer.
    """
    is_vague = error is None or isinstance(error, (ConnectionError, ssl.SSLEOFError))
    if isinstance(error, ConnectionRefusedError):
        return None
    if settings.tls is None or context is None:
        is_tls = is_vague and _handshake_error(settings, _unverified_context()) is None
        advice = "write  mqtt: {tls: {ca: FILE}}  with the broker's authority, or give its plain port as mqtt.port"
        return TlsFault(f"port {settings.tcp_port} speaks TLS, and mqtt.tls is not set", advice) if is_tls else None
    if is_vague:
        error = _handshake_error(settings, context) or error
    if isinstance(error, ssl.SSLCertVerificationError):
        return _broker_certificate_fault(error, settings)
    if isinstance(error, ssl.SSLError) and "ALERT" in _name(error):
        return _alert_fault(_name(error), settings.tls)
    if isinstance(error, (ssl.SSLError, ConnectionError)) or "handshake" in str(error):
        found = f"port {settings.tcp_port} breaks off at the start of the TLS handshake ({error})"
        return TlsFault(
            f"{found}; most likely it is a plain port",
            "give the broker's TLS port as mqtt.port (8883 is usual), or remove mqtt.tls",
        )
    return None


def _check_readable(key: str, path: Path | None) -> None:
    try:
        if path is not None:
            path.expanduser().open("rb").close()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"{key}: cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _load_client_certificate(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    requested: list[bool] = []

    def no_password() -> str:
        requested.append(True)
        return ""

    try:
        context.load_cert_chain(cert, key, no_password)
    except (ssl.SSLError, ValueError) as error:
        name = "mqtt.tls.cert" if key is None else "mqtt.tls.key"
        if requested:
            advice = f"openssl pkey -in {key or cert} -out PLAIN, readable for the service alone"
            raise ConfigError(f"{name}: {key or cert} is encrypted, and nobody is there to ask; {advice}") from None
        if "MISMATCH" in _name(error):
            raise ConfigError(f"{name}: {key or cert} is not the key of the certificate {cert}") from None
        what = f"expected a certificate (PEM) in {cert} and its key in {key or cert}, found something else ({error})"
        raise ConfigError(f"mqtt.tls.cert and mqtt.tls.key: {what}") from None


def _unverified_context() -> ssl.SSLContext:
    """Accepts any certificate: only to find out whether the port speaks TLS; nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _handshake_error(settings: Mqtt, context: ssl.SSLContext) -> Exception | None:
    """What a handshake ends with; None if it succeeds, also if only a certificate is then asked for in vain."""
    try:
        with (
            socket.create_connection((settings.host, settings.tcp_port), CONNECT_S) as raw,
            context.wrap_socket(raw, server_hostname=settings.host) as connection,
        ):
            connection.settimeout(REFUSAL_S)
            connection.recv(1)
    except TimeoutError as error:
        return error if "handshake" in str(error) else None  # it waits for our CONNECT: the handshake was accepted
    except (OSError, ValueError) as error:
        is_tls = context.verify_mode == ssl.CERT_NONE and isinstance(error, ssl.SSLError) and "ALERT" in _name(error)
        return None if is_tls else error
    return None


def _broker_certificate_fault(error: ssl.SSLCertVerificationError, settings: Mqtt) -> TlsFault:
    """The broker's certificate was not accepted by this box."""
    now, code = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), error.verify_code
    if code == EXPIRED:
        advice = "set the clock if it is wrong, else renew the certificate: deploy/mosquitto/setup renew"
        return TlsFault(f"the broker's certificate has expired by the clock of this box, {now}", advice)
    if code == NOT_YET_VALID:
        advice = "set the clock: timedatectl set-ntp true"
        return TlsFault(f"the broker's certificate is not valid yet by the clock of this box, {now}", advice)
    if code in NAMES:
        advice = "give a name of the certificate as mqtt.host, or make one with this name: deploy/mosquitto/setup renew"
        return TlsFault(f"the broker's certificate is not for {settings.host}", advice)
    found = f"the broker's certificate is not trusted: {error.verify_message}"
    ca = settings.tls.ca if settings.tls is not None else None
    if code in UNKNOWN_AUTHORITIES and ca is not None:
        return TlsFault(found, f"mqtt.tls.ca: {ca} is not of this broker's authority; copy its ca.pem to the box again")
    return TlsFault(found, "give the authority of the broker (its ca.pem) as mqtt.tls.ca")


def _alert_fault(alert: str, tls: Tls) -> TlsFault:
    """The broker ended the handshake with a TLS alert."""
    if tls.cert is None and ("CERTIFICATE_REQUIRED" in alert or "HANDSHAKE_FAILURE" in alert):
        found = "the broker wants a client certificate, and mqtt.tls.cert is not set"
        return TlsFault(found, "give one that the broker's authority signed as mqtt.tls.cert, its key as mqtt.tls.key")
    mine = f"the client certificate {tls.cert}"
    for part, reason, advice in (
        ("CERTIFICATE_EXPIRED", "has expired", "get a new one; if it is still valid, the broker's clock is wrong"),
        ("UNKNOWN_CA", "is of an authority that it does not know", "get one from the broker's authority"),
        ("CERTIFICATE_REVOKED", "is revoked", "get a new one"),
        ("CERTIFICATE", "is not good", "not valid yet, or not for clients? openssl x509 -in FILE -noout -text"),
    ):
        if part in alert and tls.cert is not None:
            return TlsFault(f"the broker says that {mine} {reason}", f"mqtt.tls.cert: {advice}")
    return TlsFault(f"the broker ends the TLS handshake: {alert}", "do both have a TLS version and cipher in common?")


def _name(error: Exception) -> str:
    return (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")
