"""Airflow's executor of one machine, whose processes have imported what tasks need before the first one."""

import importlib

from airflow.executors.local_executor import LocalExecutor


class PreloadedLocalExecutor(LocalExecutor):
    """Forks tasks from processes that need not import the pipeline for each of them."""

    def start(self) -> None:
        """Import, then start the processes that tasks are forked from."""
        importlib.import_module("etl.preload")
        super().start()
