"""The boots that were seen of a target's instances, kept between runs: one item per target, bounded.

They make plans better and decide nothing about writing: where they are lost, they are seen again.
"""

from __future__ import annotations

import logging
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from forecasting.errors import ConflictError, StoreError
from forecasting.leadtime import Boot, StartKind
from forecasting.leadtime.launches import Followed, Watch
from forecasting.store.base import Store
from forecasting.store.keys import slug
from forecasting.store.records import Record

log = logging.getLogger(__name__)


class _Boot(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    instance_type: str
    kind: StartKind
    started: AwareDatetime
    seconds: float = Field(ge=0)
    answered: bool = True


class _Followed(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    instance_type: str
    kind: StartKind
    started: AwareDatetime
    unready_at: AwareDatetime
    answered: bool = False
    id: str = ""


class Boots(Record):
    """A `Watch` as it is kept."""

    boots: dict[str, _Boot] = Field(default_factory=dict)
    followed: dict[str, _Followed] = Field(default_factory=dict)
    seen_until: AwareDatetime | None = None


def read_boots(store: Store, target_key: str) -> Watch:
    """What is known of a target's launches; nothing where nothing is kept, or where it cannot be understood.

    Raises:
        StoreError, CredentialsError: the store cannot be read.
    """
    item = store.get(_key(target_key))
    if item is None:
        return Watch()
    try:
        kept = Boots.from_bytes(_key(target_key), item.body)
    except StoreError as error:
        log.warning("%s; it is begun anew", error)
        return Watch()
    return Watch(
        {name: Boot(**boot.model_dump()) for name, boot in kept.boots.items()},
        {name: Followed(**each.model_dump()) for name, each in kept.followed.items()},
        kept.seen_until,
    )


def keep_boots(store: Store, target_key: str, watch: Watch) -> None:
    """Keep it. Where another run has kept its own meanwhile, that one stands: it saw the same.

    Raises:
        StoreError, CredentialsError: the store cannot be written.
    """
    body = Boots(
        boots={name: _Boot(**vars(boot)) for name, boot in watch.boots.items()},
        followed={name: _Followed(**vars(each)) for name, each in watch.followed.items()},
        seen_until=watch.seen_until,
    ).to_bytes()
    current = store.get(_key(target_key))
    if current is not None and current.body == body:
        return
    try:
        store.put(_key(target_key), body, if_version=current.version if current else None)
    except ConflictError:
        log.info("%s: another run was first", _key(target_key))


def _key(target_key: str) -> str:
    return f"targets/{slug(target_key)}/boots.json"
