# What pipeline.nix becomes in a later version: another setting, and a smaller worker.
{
  imports = [ ./pipeline.nix ];

  services.airflow = {
    settings.core.parallelism = 24;
    workers.default.concurrency = 3;
  };
}
