"""TLS towards a broker: the context that agent and gateway connect with, and what a failed handshake means in words.

What stays true: the broker's certificate and name are always checked, there is no switch to turn that off; TLS 1.2 or
newer; files that cannot be used are a `ConfigurationError` before the first connection.
Limit: keys must not be encrypted; protect the file instead (mode 0600).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from collectors.errors import ConfigurationError, Problem

# Numbers of OpenSSL's verification results (openssl-verify(1), "Diagnostics") -> what to do about them.
_ADVICE_BY_VERDICT = {
    9: "it is not valid yet: compare this machine's clock with the true time, then the certificate's dates",
    10: "it has expired: renew the broker's certificate, or set this machine's clock if that is wrong",
    18: "it is self-signed: give that certificate, or the authority that should have signed it, as the CA file",
    19: "its chain ends in an unknown authority: give that authority's certificate as the CA file",
    20: "its authority is unknown here: give that authority's certificate as the CA file",
    21: "its chain is incomplete: let the broker send the certificates in between, or put them into the CA file",
    62: "it is for another host name: use the name that stands in it as the address, or have it issued for this one",
    64: "it is for another IP address: use the name that stands in it as the address, or have it issued for this one",
}
_ADVICE_BY_ALERT = {
    "CERTIFICATE_REQUIRED": "the broker wants a client certificate: give one and its key",
    "UNKNOWN_CA": "the broker does not know the authority of our client certificate: have it signed by the broker's",
    "CERTIFICATE_EXPIRED": "our client certificate has expired: renew it",
    "BAD_CERTIFICATE": "the broker does not take our client certificate: have it signed by the broker's authority",
    "CERTIFICATE_UNKNOWN": "the broker does not take our client certificate: have it signed by the broker's authority",
    "HANDSHAKE_FAILURE": "the broker wants a client certificate or another TLS version: see its log",
    "WRONG_VERSION_NUMBER": "nobody speaks TLS there: use mqtt:// or the broker's TLS port, usually 8883",
}
_NO_HANDSHAKE = "the broker does not complete the TLS handshake: it may speak no TLS on this port"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files; None = the system's authorities, no client certificate."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None  # None = the key stands in `cert_file`


NO_TLS_FILES = TlsFiles()


class _Socket(ssl.SSLSocket):
    """Gives its descriptor back when the handshake fails: paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ConnectionError, TimeoutError) as error:
            self.close()
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, str(error)) from error
        except (OSError, ValueError):
            self.close()
            raise


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that checks the broker; raises ConfigurationError for files that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Socket
    if files.ca_file is None:
        context.load_default_certs()
    else:  # only these authorities, not the system's too
        try:
            context.load_verify_locations(files.ca_file)
        except OSError as error:
            raise _unusable(files.ca_file, "holds no PEM certificates of authorities", error) from error
    if files.cert_file is not None:
        try:
            context.load_cert_chain(files.cert_file, files.key_file, password=_refuse_password)
        except (OSError, ValueError) as error:
            place = f"{files.cert_file} with {files.key_file or 'the key in it'}"
            raise _unusable(place, "is no PEM certificate with its unencrypted key", error) from error
    return context


def advice_on(error: OSError) -> str:
    """What a failed connection over TLS means and what to do; "" if TLS has nothing to do with it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _ADVICE_BY_VERDICT.get(error.verify_code, "see that it is a server certificate of a known authority")
        return f"the broker's certificate cannot be trusted ({error.verify_message}): {advice}"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _NO_HANDSHAKE
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        found = next((advice for alert, advice in _ADVICE_BY_ALERT.items() if alert in reason), "see the broker's log")
        return f"the TLS handshake failed ({reason or error}): {found}"
    return ""


def _refuse_password() -> str:
    """Asked for an encrypted key; without an answer of ours OpenSSL would ask at the terminal."""
    raise ValueError("the key is encrypted")


def _unusable(place: str, what: str, error: Exception) -> ConfigurationError:
    return ConfigurationError([Problem(f"{what}: {error}", place)])
