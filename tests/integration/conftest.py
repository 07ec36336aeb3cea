"""Gives Airflow a home of its own: it makes one when it is first imported, not the developer's then."""

import os
from tempfile import TemporaryDirectory

_home = TemporaryDirectory(prefix="etl-airflow-")
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = "aws://"
