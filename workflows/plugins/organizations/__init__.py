"""The page on organizations: statistics for account managers, in Airflow's web server."""
