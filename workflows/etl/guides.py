# ruff: noqa: E501 - a row of a table in Markdown is one line
"""What Airflow's page tells an operator of the DAG and of each task (Markdown)."""

from etl.event_classes import EVENT_TABLES

DAILY_ETLS = """\
Each run is for **one day** (UTC), which is its logical date: events that came in under that day's prefix in S3 are
loaded into the warehouse, then the statistics of every organization are computed.

**Order.** A day's jobs start when those of the day before have succeeded. A day that can't go on waits, and goes on
by itself. A run that says `gives its place to others` has failed only to make room; it starts again by itself.

| what you see | what to do |
|---|---|
| `s3_sensor` is deferred | nothing: the day before isn't done, or the next day has no object yet; its log says which |
| a job has failed (and a mail has come) | mend the cause, then clear the failed task, or start the day as below. The next days wait, and go on by themselves |
| a day must be loaded again | *Trigger*, and choose the day. It is loaded as if it were the first time |
| a day has no objects, and may have none | *Trigger*, choose the day and `allow_empty`; for a day that has a run already, run `etl load-events --allow-empty` and mark its task as success |
| several days must be done again | clear them, or create a backfill: any order is kept |

**Trigger.** The run that you start only asks: it starts the chosen day's own run (by default the last complete day's),
or fails and says why not: the day before isn't done, the day isn't over, it is being done at this moment.
"""

SENSOR = """\
Waits until the day before is done, and then until the next day has an object: that is the sign that this day is
complete. It waits as long as it takes, without a worker's slot, and its log says for what. When the source is late, one
mail says so, and waiting goes on. A folder's marker or any other object without content is no sign.
"""

LOAD_EVENTS = f"""\
Loads the day's objects into {", ".join(f"`{table}`" for table in EVENT_TABLES)}, all of them or none. To run it again is safe: clear it. Tried four times; then a mail goes out and the next days wait.
"""

ORGANIZATION_STATS = """\
Computes `organization_statistic` of the day from what is loaded. To run it again is safe: clear it. Tried four times;
then a mail goes out and the next days wait. When it succeeds, the next day goes on.
"""

RELOAD_DAYS = """\
Loads days again, and computes the statistics of every day whose windows they touch. Every hour it looks at the last 7
days that were loaded: where objects came, changed or went since, it says so, loads these days (and those between) again
and sends a mail; else it is skipped. To load days again that you choose, *Trigger* it with the first and the last one.
"""
