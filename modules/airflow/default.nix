# Apache Airflow on one host or on several.
{
  imports = [
    ./options.nix
    ./settings.nix
    ./bundles.nix
    ./credentials.nix
    ./connections.nix
    ./smtp.nix
    ./database.nix
    ./redis.nix
    ./units.nix
    ./task_logs.nix
    ./workers.nix
    ./admin.nix
    ./logins.nix
    ./health.nix
    ./alarm.nix
    ./metrics.nix
    ./cli.nix
    ./nginx.nix
    ./cleanup.nix
    ./backup.nix
    ./assertions.nix
  ];
}
