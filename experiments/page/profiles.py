"""The visitors' profiles, each with a secret key."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from experiments.page.bodies import read_body
from unvoiced import Recognizer
from unvoiced.profile import Profile
from unvoiced.profile_file import MAX_BYTES, parse_profile
from unvoiced.text import count_noun

MAX_PROFILES_PER_VISITOR = 2  # of serve.visitors
KEEP_S = 3600.0  # of a profile that nothing uses; the page sends it again


class ProfileGoneError(ValueError):
    """A profile that is not there, or no longer."""

    def __init__(self) -> None:
        super().__init__("Your profile is no longer in the program. Use it again from its file.")


class ProfileStore:
    """Profiles by their secret keys; the one that was used the longest time ago makes room.

    Args:
        recognizer: the model of the page.
        max_profiles: that are kept.
        clock: returns seconds.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        max_profiles: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recognizer, self.max_profiles, self.clock = recognizer, max_profiles, clock
        self._profiles: OrderedDict[str, tuple[float, Profile]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._profiles)

    def add(self, profile: Profile) -> str:
        """Keep a profile of the page's model, and return its key.

        Raises:
            ValueError: it belongs to another model.
        """
        self.recognizer.with_profile(profile)
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._drop_unused()
            self._profiles[key] = self.clock(), profile
            while len(self._profiles) > self.max_profiles:
                self._profiles.popitem(last=False)
        return key

    def get(self, key: str) -> Profile:
        """Return the profile of a key.

        Raises:
            ProfileGoneError: no profile has it.
        """
        with self._lock:
            self._drop_unused()
            if key not in self._profiles:
                raise ProfileGoneError
            profile = self._profiles.pop(key)[1]
            self._profiles[key] = self.clock(), profile
            return profile

    def make_recognizer(self, key: str) -> Recognizer:
        """Return the page's model with the profile of a key.

        Raises:
            ProfileGoneError: no profile has it.
        """
        return self.recognizer.with_profile(self.get(key))

    def remove(self, key: str) -> None:
        """Forget a profile, if its key is known."""
        with self._lock:
            self._profiles.pop(key, None)

    def _drop_unused(self) -> None:
        """Remove the profiles that were not used for ``KEEP_S``; the first are the oldest."""
        while self._profiles and self.clock() - next(iter(self._profiles.values()))[0] > KEEP_S:
            self._profiles.popitem(last=False)


def describe_profile(profile: Profile) -> str:
    """Return the classes, recordings and date of a profile in words."""
    classes, recordings = len(np.unique(profile.labels)), len(np.unique(profile.recordings))
    return (
        f"{count_noun(classes, 'class')}, {count_noun(recordings, 'recording')}, "
        f"made on {profile.created}"
    )


def add_profile_routes(app: FastAPI, profiles: ProfileStore, cores: CapacityLimiter) -> None:
    """Add the routes below /profile: use, touch and forget."""

    @app.post("/profile/use")
    async def use_profile(request: Request) -> JSONResponse:
        content = await read_body(request, MAX_BYTES, "profile")
        return JSONResponse(await run_sync(_use_profile, content, limiter=cores))

    def _use_profile(content: bytes) -> dict[str, str]:
        try:
            profile = parse_profile(content)
        except ValueError as error:
            raise ValueError(f"This file is not a valid profile: {error}.") from None
        return {"profile": profiles.add(profile), "text": describe_profile(profile)}

    @app.post("/profile/touch/{key}")
    def touch_profile(key: str) -> dict[str, str]:
        profiles.get(key)
        return {}

    @app.post("/profile/forget/{key}")
    def forget_profile(key: str) -> dict[str, str]:
        profiles.remove(key)
        return {}
