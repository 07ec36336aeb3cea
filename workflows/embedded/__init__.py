"""The whole pipeline on this machine, for `make run` and `make dev`: S3 API, Airflow and warehouse."""
