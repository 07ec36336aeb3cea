"""What tasks are forked from has imported what they need."""

import json
import os
import subprocess
import sys
from pathlib import Path

DAGS = Path(__file__).parents[2] / "workflows" / "dags"
WHAT_A_TASK_IMPORTS = """
import json, runpy, sys
import airflow.sdk.execution_time.task_runner
import etl.preload
before = set(sys.modules)
for file in sys.argv[1:]:
    runpy.run_path(file)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_a_task_imports_nothing_for_the_dags_files() -> None:
    files = sorted(map(str, DAGS.glob("*.py")))
    assert files
    done = subprocess.run(
        [sys.executable, "-c", WHAT_A_TASK_IMPORTS, *files],
        env=os.environ | {"ETL_S3_BUCKET": "events", "ETL_S3_PREFIX": "", "ETL_START_DATE": "2016-02-22"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
