"""Identity tokens: signed here, verifiable by the certificates that the stand-in serves as Google serves its own."""

from __future__ import annotations

import importlib
from datetime import datetime, timedelta
from typing import Any

CERTS_PATH = "/oauth2/v1/certs"
ISSUER = "https://accounts.google.com"
_KEY_ID = "local-gcp"


class Identity:
    """Signs OpenID Connect tokens for service accounts. The key is made at first use and never leaves the process."""

    def __init__(self) -> None:
        self._pair: tuple[Any, str] | None = None

    def token(self, email: str, audience: str, now: datetime) -> str:
        """A token as Cloud Scheduler and Pub/Sub send it, valid for an hour on the stand-in's clock."""
        jwt: Any = importlib.import_module("google.auth.jwt")
        signer, _ = self._keys()
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": email,
            "sub": email,
            "email": email,
            "email_verified": True,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(hours=1)).timestamp()),
        }
        return jwt.encode(signer, claims).decode()

    def claims(self, token: str, now: datetime) -> dict[str, Any] | None:
        """What a token says; None where its signature or its time is wrong."""
        jwt: Any = importlib.import_module("google.auth.jwt")
        crypt: Any = importlib.import_module("google.auth.crypt")
        try:
            _, claims, signed, signature = jwt._unverified_decode(token)
        except ValueError:
            return None
        if not crypt.verify_signature(signed, signature, self.certs()[_KEY_ID]):
            return None
        return claims if claims["iat"] <= now.timestamp() < claims["exp"] else None

    def certs(self) -> dict[str, str]:
        """Key id and public key in PEM, as `google.oauth2.id_token` reads them."""
        return {_KEY_ID: self._keys()[1]}

    def _keys(self) -> tuple[Any, str]:
        if self._pair is None:
            rsa: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.rsa")
            forms: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")
            crypt: Any = importlib.import_module("google.auth.crypt")
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
            private = key.private_bytes(
                forms.Encoding.PEM, forms.PrivateFormat.TraditionalOpenSSL, forms.NoEncryption()
            )
            self._pair = crypt.RSASigner.from_string(private, _KEY_ID), public.decode()
        return self._pair
