"""Authentication: the token, the sessions opened with it, and a limit on guesses."""

import hashlib
import hmac
import ipaddress
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from itsdangerous import BadSignature, TimestampSigner

from tuner.errors import TunerError

#: Shorter tokens can be guessed.
MIN_TOKEN_LENGTH = 16
SESSION_S = 12 * 3600
#: Wrong tokens that one address may send at once, and seconds after which it may send one more.
_GUESSES, _SECONDS_PER_GUESS = 5.0, 12.0
#: The same for all addresses together, against guessing from many of them.
_GUESSES_OF_ALL, _SECONDS_PER_GUESS_OF_ALL = 60.0, 1.0
_MOST_ADDRESSES = 10_000
#: All IPv6 addresses with the same first bits count as one client: a customer gets such a network or a larger one.
_IPV6_CUSTOMER_BITS = 64


class TokenError(TunerError):
    """The dashboard needs a token, and none that can be used is given."""


def read_token(file: Path) -> str:
    """Return the token that a file holds, without the white space around it.

    Raises:
        TokenError: The file cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TokenError(
            f"Cannot read the token from {file}: {reason}. Write one there: openssl rand -hex 24"
        ) from error


def check_token(token: str) -> str:
    """Return the token when it is long enough and can be sent in a header.

    Raises:
        TokenError: It is too short, or has characters that a header cannot hold.
    """
    if len(token) < MIN_TOKEN_LENGTH:
        raise TokenError(
            f"Received a token of {len(token)} characters, expected at least {MIN_TOKEN_LENGTH}. "
            "Make one: openssl rand -hex 24"
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise TokenError("The token holds spaces or characters outside ASCII. Make another: openssl rand -hex 24")
    return token


@dataclass(kw_only=True)
class _Allowance:
    guesses: float
    at: float


@dataclass(kw_only=True)
class GuessLimit:
    """Limits guesses of the token: a few at once, then one every few seconds, per address and in total."""

    clock: Callable[[], float] = time.monotonic
    _by_address: OrderedDict[str, _Allowance] = field(default_factory=OrderedDict)
    _of_all: _Allowance | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, address: str) -> float:
        """Use up one guess and return 0, or return the seconds until the next guess when none is left."""
        with self._lock:
            own, total = self._allowances(_customer(address))
            wait_s = max((1 - own.guesses) * _SECONDS_PER_GUESS, (1 - total.guesses) * _SECONDS_PER_GUESS_OF_ALL, 0.0)
            if wait_s == 0.0:
                own.guesses -= 1
                total.guesses -= 1
            return wait_s

    def give_back(self, address: str) -> None:
        """Restore the guess of a right token."""
        with self._lock:
            for allowance in self._allowances(_customer(address)):
                allowance.guesses += 1

    def _allowances(self, customer: str) -> tuple[_Allowance, _Allowance]:
        now = self.clock()
        own = self._by_address.pop(customer, None) or _Allowance(guesses=_GUESSES, at=now)
        total = self._of_all or _Allowance(guesses=_GUESSES_OF_ALL, at=now)
        own.guesses = min(_GUESSES, own.guesses + (now - own.at) / _SECONDS_PER_GUESS)
        total.guesses = min(_GUESSES_OF_ALL, total.guesses + (now - total.at) / _SECONDS_PER_GUESS_OF_ALL)
        own.at = total.at = now
        # In order of the last guess, so that the oldest address is dropped first.
        self._by_address[customer] = own
        while len(self._by_address) > _MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        self._of_all = total
        return own, total


class _SessionSigner(TimestampSigner):
    """Signs with a key that is never stored: a restart ends all sessions, and no session outlives its token."""

    def __init__(self, clock: Callable[[], float]) -> None:
        # 48 bytes are whole letters of base64: with another length, a changed last letter may mean the same signature.
        super().__init__(secrets.token_bytes(32), digest_method=hashlib.sha384, key_derivation="hmac")
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock())


class Visitors:
    """The token and the sessions opened with it; used by several threads."""

    def __init__(self, token: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._token_hash = _hash(token)
        self._clock = clock
        self._limit = GuessLimit(clock=clock)
        self._signer = _SessionSigner(clock)
        self._ended: dict[str, float] = {}

    def try_token(self, given: str, *, address: str) -> float | None:
        """Compare a token with ours.

        Returns:
            0 when it is right, None when it is wrong; the seconds to wait when too many were wrong: this one was then
            not compared, otherwise guessing could continue.
        """
        wait_s = self._limit.take(address)
        if wait_s:
            return max(1.0, math.ceil(wait_s))
        # Hashes are compared, so that the time does not even reveal the token's length.
        if not hmac.compare_digest(_hash(given), self._token_hash):
            return None
        self._limit.give_back(address)
        return 0.0

    def open_session(self) -> str:
        """Return the content of the visitor's cookie; the token cannot be derived from it."""
        return self._signer.sign(secrets.token_hex(16)).decode()

    def knows(self, session: str) -> bool:
        """Say whether a cookie belongs to an open session; not limited, so that guessing locks no visitor out."""
        return self._name_of(session) is not None

    def end_session(self, session: str) -> None:
        """Invalidate the session."""
        name = self._name_of(session)
        if name is not None:
            now = self._clock()
            self._ended = {ended: until for ended, until in self._ended.items() if until > now}
            self._ended[name] = now + SESSION_S

    def _name_of(self, session: str) -> str | None:
        """Return what tells an open session from others; None if the cookie belongs to none."""
        try:
            name = self._signer.unsign(session, max_age=SESSION_S).decode()
        except BadSignature:
            return None
        return None if name in self._ended else name


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).digest()


def _customer(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 - IPv4's name is its number
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_CUSTOMER_BITS), strict=False))
