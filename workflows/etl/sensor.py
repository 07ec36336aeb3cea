"""The DAG's first task: it waits until its day's turn has come and the day is complete."""

from datetime import UTC, date, datetime, timedelta
from time import monotonic, sleep
from typing import Any

from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.sdk import Context

from etl import order, requests
from etl.config import S3Location, day_after
from etl.day_trigger import DayTrigger
from etl.days import is_of_one_day, midnight, run_date
from etl.mails import Mails
from etl.objects import holds_data
from etl.order import Day, Progress

SECONDS_TO_NEXT_MAIL = 60
SECONDS_TO_STAY = 5.0
# The day before may be about to be done: the triggerer takes a second or two to let it go on.
SECONDS_TO_SEE_IT_MOVE = 3.0
SECONDS_BETWEEN_LOOKS = 0.2
FOR_EVER = timedelta(days=365 * 100)


class DaySensor(S3KeySensor):
    """Waits for the day before to be done, and for an object of the next day; as long as it takes.

    It waits in the triggerer, without a worker's slot but for seconds. Where the next day was loaded before,
    as when a day is loaded again, that is the sign too. A run that is not a day's own is answered as a
    request.

    Args:
        source: where the days lie.
        first_day: the first day that the DAG loads.
        late_after: how long after a day's end, or after its turn came if that was later, the source is late.
        mails: who hears of it.
        **kwargs: the sensor's own.
    """

    def __init__(
        self, *, source: S3Location, first_day: date, late_after: timedelta, mails: Mails, **kwargs: Any
    ) -> None:
        super().__init__(
            wildcard_match=True,
            check_fn=_any_holds_data,
            deferrable=True,
            timeout=FOR_EVER.total_seconds(),
            **kwargs,
        )
        self.source = source
        self.first_day = first_day
        self.late_after = late_after
        self.mails = mails

    def execute(self, context: Context) -> None:
        """End at once if the day is complete and it is its turn, else begin to wait; or answer a request.

        Args:
            context: the task's context.
        """
        if not is_of_one_day(context["dag_run"]):
            try:
                requests.answer(context, self.first_day)
            finally:
                order.wake_last_day(context)
        day = run_date(context["dag_run"])
        requests.check_own_day(context, day, self.first_day)
        before = order.day_before_on_record(self.dag_id, day, self.first_day)
        is_complete = self._is_complete(context)
        before = self._stay_for(before, until_it_moves=is_complete)
        if before.progress is Progress.DONE:
            if is_complete:
                return
            context["task_state_store"].set("waits_since", datetime.now(UTC).isoformat())
        else:
            # It may have given its place back when nobody was there to wake it.
            order.wake(context, before.day)
        self._wait(context, before)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Do what the trigger can't, and wait on.

        Args:
            context: the task's context.
            event: why the trigger gave up.
        """
        day = run_date(context["dag_run"])
        before = order.day_before_on_record(self.dag_id, day, self.first_day)
        store = context["task_state_store"]
        match event["reason"]:
            case DayTrigger.TURN:
                store.set("waits_since", datetime.now(UTC).isoformat())
            case DayTrigger.LATE:
                following = day_after(day)
                place = f"s3://{self.source.bucket}/{self.source.day_prefix(following)}"
                if self.mails.late(context, day, place):
                    store.set("told_late", value=True)
                else:
                    again = datetime.now(UTC) + timedelta(seconds=SECONDS_TO_NEXT_MAIL)
                    store.set("tell_late_at", again.isoformat())
            case DayTrigger.IN_THE_WAY if before.progress not in {Progress.DONE, Progress.MOVING}:
                order.give_place_back(context, before)
        self._wait(context, before)

    def _stay_for(self, before: Day, *, until_it_moves: bool) -> Day:
        """Look again for some seconds while the day before is being done, and return what was seen last.

        In a catch-up, that saves each day the way through the triggerer. A day that went that way itself is
        stayed for too: if each of many went it because the one before did, none would be saved it any more.
        """
        start = monotonic()
        seconds = {Progress.MOVING: SECONDS_TO_STAY}
        if until_it_moves:
            seconds[Progress.WAITING] = SECONDS_TO_SEE_IT_MOVE
        while monotonic() < start + seconds.get(before.progress, 0):
            sleep(SECONDS_BETWEEN_LOOKS)
            before = order.look_at(self.dag_id, before.day)
        return before

    def _wait(self, context: Context, before: Day) -> None:
        day = run_date(context["dag_run"])
        self.defer(
            trigger=DayTrigger(
                dag_id=self.dag_id,
                day=day.isoformat(),
                first_day=(day if before.is_nothing else self.first_day).isoformat(),
                bucket=self.source.bucket,
                prefix=self.source.prefix,
                aws_conn_id=self.aws_conn_id,
                poke_interval=self.poke_interval,
                late_at=self._late_at(context, day),
            ),
            method_name="execute_complete",
        )

    def _late_at(self, context: Context, day: date) -> str | None:
        """Return when to tell that the source is late; nothing before the day's turn, and never twice."""
        store = context["task_state_store"]
        if store.get("told_late"):
            return DayTrigger.NEVER
        if again := store.get("tell_late_at"):
            return str(again)
        since = store.get("waits_since")
        if since is None:
            return None
        turn = datetime.fromisoformat(str(since))
        return (max(turn, midnight(day_after(day))) + self.late_after).isoformat()

    def _is_complete(self, context: Context) -> bool:
        try:
            return bool(self.poke(context))
        except Exception:
            # It is tried again by the trigger, for as long as it takes.
            self.log.exception("S3 can't be looked at now")
            return False


def _any_holds_data(files: list[dict[str, Any]]) -> bool:
    return any(map(holds_data, files))
