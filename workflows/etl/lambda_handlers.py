"""The two jobs as AWS Lambda functions.

Payload ``{"runDate": "2016-05-10"}``, answer ``{"code": 200, "message": "…"}``: 400 for a payload that is
wrong, 500 for a job that failed. The settings come from the function's environment, as everywhere.
"""

import json
import logging
from collections.abc import Callable
from datetime import date
from typing import Any

from etl import config
from etl import load_events as loading
from etl import organization_stats as statistics
from etl.errors import EtlError

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

Answer = dict[str, Any]


def load_events(event: Any, _context: object) -> Answer:
    """Run the event loading job.

    Args:
        event: the payload; ``"allowEmpty": true`` in it lets a day without objects pass.
    """
    allow_empty = event.get("allowEmpty", False) if isinstance(event, dict) else False
    if not isinstance(allow_empty, bool):
        return _answer(400, f'"allowEmpty" must be true or false, not {json.dumps(allow_empty)}')
    return _run(
        event,
        lambda run_date: loading.load_events(
            run_date, config.s3_location(), config.warehouse_url(), allow_empty=allow_empty
        ).as_dict(),
    )


def organization_stats(event: Any, _context: object) -> Answer:
    """Run the organization statistics job.

    Args:
        event: the payload.
    """
    return _run(
        event, lambda run_date: statistics.organization_stats(run_date, config.warehouse_url()).as_dict()
    )


def _run(event: Any, job: Callable[[date], dict[str, Any]]) -> Answer:
    if not isinstance(event, dict) or "runDate" not in event:
        return _answer(400, 'the payload must be an object with a "runDate", such as "2016-05-10"')
    try:
        run_date = config.parse_run_date(event["runDate"])
    except EtlError as error:
        return _answer(400, f'"runDate": {error}')
    try:
        return _answer(200, json.dumps(job(run_date)))
    except EtlError as error:
        return _answer(500, str(error))
    except Exception as error:
        # The caller can only see the answer; the trace is in the function's log.
        logger.exception("the job failed")
        return _answer(500, f"{type(error).__name__}: {error}")


def _answer(code: int, message: str) -> Answer:
    logger.log(logging.INFO if code == 200 else logging.ERROR, "%d %s", code, message)  # noqa: PLR2004
    return {"code": code, "message": message}
