"""What waits in the triggerer: for the day before to be done, and then for an object of the next day."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from time import monotonic
from typing import Any, ClassVar

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent
from asgiref.sync import sync_to_async

from etl import order
from etl.config import S3Location, day_after
from etl.objects import holds_data
from etl.order import Progress

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LOOKS_AT_REST = 5.0
# Of many days that go by, each waits only a little. If each looked late, the one after it would too.
SECONDS_BEFORE_REST = 30.0


class DayTrigger(BaseTrigger):
    """Ends its task when a day's turn has come and the day is complete; resumes it when there is work.

    Args:
        dag_id: the DAG.
        day: the day, as an ISO date.
        first_day: the first day to load, as an ISO date.
        bucket: where the days lie.
        prefix: where the days lie.
        aws_conn_id: the connection to S3.
        poke_interval: seconds between two looks at S3.
        late_at: when to tell that the source is late, as an ISO date and time; None as long as the day's turn
            has not come.
    """

    TURN: ClassVar = "its turn has come"
    LATE: ClassVar = "the source is late"
    IN_THE_WAY: ClassVar = "another run needs the place"
    NEVER: ClassVar = datetime.max.replace(tzinfo=UTC).isoformat()

    def __init__(  # noqa: PLR0913 - what it needs must fit into a row of the database
        self,
        *,
        dag_id: str,
        day: str,
        first_day: str,
        bucket: str,
        prefix: str,
        aws_conn_id: str | None,
        poke_interval: float,
        late_at: str | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dag_id = dag_id
        self.day = day
        self.first_day = first_day
        self.bucket = bucket
        self.prefix = prefix
        self.aws_conn_id = aws_conn_id
        self.poke_interval = poke_interval
        self.late_at = late_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the database keeps of it."""
        names = ("dag_id", "day", "first_day", "bucket", "prefix", "aws_conn_id", "poke_interval", "late_at")
        return "etl.day_trigger.DayTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, however long it takes: whatever fails on the way is tried again."""
        said = None
        in_the_way = 0
        began = monotonic()
        while True:
            pause = self.poke_interval
            try:
                before = await sync_to_async(order.day_before)(
                    self.dag_id, date.fromisoformat(self.day), date.fromisoformat(self.first_day)
                )
                if before.progress is Progress.DONE:
                    if await self._is_complete():
                        self.log.info("%s is complete", self.day)
                        yield TaskSuccessEvent()
                        return
                    reason = self._reason_to_resume()
                    state = f"{self.day} waits for an object of the next day"
                else:
                    is_moving = before.progress is Progress.MOVING
                    in_the_way = in_the_way + 1 if not is_moving and await self._is_in_the_way() else 0
                    # What is in the queue for a moment only needs no place of ours.
                    reason = self.IN_THE_WAY if in_the_way > 1 else None
                    looks_soon = is_moving or in_the_way or monotonic() < began + SECONDS_BEFORE_REST
                    pause = SECONDS_BETWEEN_LOOKS if looks_soon else SECONDS_BETWEEN_LOOKS_AT_REST
                    state = f"{self.day} waits: {before.day} {before.progress.value}"
                if state != said:
                    self.log.info(state)
                    said = state
                if reason:
                    yield TriggerEvent({"reason": reason})  # type: ignore[no-untyped-call]
                    return
            except Exception:
                self.log.exception("%s can't be looked after now; trying again in %s s", self.day, pause)
            await asyncio.sleep(pause)

    def _reason_to_resume(self) -> str | None:
        if self.late_at is None:
            return self.TURN
        return self.LATE if datetime.now(UTC) >= datetime.fromisoformat(self.late_at) else None

    async def _is_in_the_way(self) -> bool:
        return await sync_to_async(order.is_in_the_way)(
            self.dag_id, date.fromisoformat(self.day), datetime.now(UTC)
        )

    async def _is_complete(self) -> bool:
        """Return whether the next day has begun: it has an object, or was loaded before."""
        following = day_after(date.fromisoformat(self.day))
        if (await sync_to_async(order.look_at)(self.dag_id, following)).states.get(order.LOAD) == "success":
            return True
        hook = S3Hook(aws_conn_id=self.aws_conn_id)
        prefix = S3Location(self.bucket, self.prefix).day_prefix(following)
        async with await hook.get_async_conn() as s3:  # type: ignore[no-untyped-call]
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            async for page in pages:
                if any(holds_data(entry) for entry in page.get("Contents", ())):
                    return True
        return False
