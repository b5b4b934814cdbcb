"""Who may come in: the token, sessions of those who knew it, and a limit on guesses."""

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

from tuner.errors import TunerError

#: Shorter ones can be guessed.
MIN_TOKEN_LENGTH = 16
SESSION_S = 12 * 3600
#: Wrong tokens that one address may give at once, and seconds after which it may give one more.
_GUESSES, _SECONDS_PER_GUESS = 5.0, 12.0
#: The same for everybody together, against guessing from many addresses.
_GUESSES_OF_ALL, _SECONDS_PER_GUESS_OF_ALL = 60.0, 1.0
_MOST_ADDRESSES = 10_000
#: An IPv6 customer has at least this many bits' worth of addresses.
_IPV6_CUSTOMER_BITS = 64


class TokenError(TunerError):
    """The dashboard needs a token, and has none that will do."""


def read_token(file: Path) -> str:
    """Return the token that a file holds, without the white space around it.

    Raises:
        TokenError: The file cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise TokenError(
            f"Cannot read the token from {file}: {reason}. Write one there: openssl rand -hex 24"
        ) from error


def check_token(token: str) -> str:
    """Return the token when it cannot be guessed and can be sent.

    Raises:
        TokenError: It is too short, or has characters that no header carries.
    """
    if len(token) < MIN_TOKEN_LENGTH:
        raise TokenError(
            f"Received a token of {len(token)} characters, expected at least {MIN_TOKEN_LENGTH}. "
            "Make one: openssl rand -hex 24"
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise TokenError("The token holds spaces or other than ASCII characters. Make another: openssl rand -hex 24")
    return token


@dataclass(kw_only=True)
class _Allowance:
    guesses: float
    at: float


@dataclass(kw_only=True)
class GuessLimit:
    """How many wrong tokens are listened to: a few at once, then one every few seconds, by address and in all."""

    clock: Callable[[], float] = time.monotonic
    _by_address: OrderedDict[str, _Allowance] = field(default_factory=OrderedDict)
    _of_all: _Allowance | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, address: str) -> float:
        """Use up one guess; return 0, or the seconds to wait when there is none left, in which case none is used."""
        with self._lock:
            own, everybody = self._allowances(_customer(address))
            wait_s = max(
                (1 - own.guesses) * _SECONDS_PER_GUESS, (1 - everybody.guesses) * _SECONDS_PER_GUESS_OF_ALL, 0.0
            )
            if wait_s == 0.0:
                own.guesses -= 1
                everybody.guesses -= 1
            return wait_s

    def give_back(self, address: str) -> None:
        """Return a guess that was right."""
        with self._lock:
            for allowance in self._allowances(_customer(address)):
                allowance.guesses += 1

    def _allowances(self, customer: str) -> tuple[_Allowance, _Allowance]:
        now = self.clock()
        own = self._by_address.pop(customer, None) or _Allowance(guesses=_GUESSES, at=now)
        everybody = self._of_all or _Allowance(guesses=_GUESSES_OF_ALL, at=now)
        own.guesses = min(_GUESSES, own.guesses + (now - own.at) / _SECONDS_PER_GUESS)
        everybody.guesses = min(_GUESSES_OF_ALL, everybody.guesses + (now - everybody.at) / _SECONDS_PER_GUESS_OF_ALL)
        own.at = everybody.at = now
        # The last one seen stands at the end; whoever has not been seen for longest is forgotten first.
        self._by_address[customer] = own
        while len(self._by_address) > _MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        self._of_all = everybody
        return own, everybody


class Visitors:
    """Knows the token and the sessions that were opened with it; used by several threads."""

    def __init__(self, token: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._token_hash = _hash(token)
        self._clock = clock
        self._limit = GuessLimit(clock=clock)
        # Of this process alone: after a restart everybody signs in again, and no session outlives its token.
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}

    def try_token(self, given: str, *, address: str) -> float | None:
        """Compare a token with ours.

        Returns:
            0 when it is right, None when it is wrong, else the seconds after which the next one is listened to: then
            this one was not even looked at, or guessing on would pay.
        """
        wait_s = self._limit.take(address)
        if wait_s:
            return max(1.0, math.ceil(wait_s))
        # Of hashes, so that not even the length can be told from the time it takes.
        if not hmac.compare_digest(_hash(given), self._token_hash):
            return None
        self._limit.give_back(address)
        return 0.0

    def open_session(self) -> str:
        """Return what the visitor's cookie shall hold: from it nobody learns the token."""
        content = f"{int(self._clock()) + SESSION_S:x}.{secrets.token_hex(16)}"
        return f"{content}.{self._sign(content)}"

    def knows(self, session: str) -> bool:
        """Say whether a cookie is of an open session; takes no guess, so that guessing shuts nobody out."""
        content, _, signature = session.rpartition(".")
        if not hmac.compare_digest(self._sign(content).encode(), signature.encode()):
            return False
        return int(content.partition(".")[0], 16) > self._clock() and content not in self._ended

    def end_session(self, session: str) -> None:
        """Make the cookie worthless."""
        if self.knows(session):
            now = self._clock()
            self._ended = {ended: until for ended, until in self._ended.items() if until > now}
            self._ended[session.rpartition(".")[0]] = now + SESSION_S

    def _sign(self, content: str) -> str:
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()


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
