# services.airflow.enable = true alone is a whole host.
{ services.airflow.enable = true; }
