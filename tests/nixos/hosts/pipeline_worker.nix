# Nothing but a worker of the host "main".
{
  services.airflow = {
    enable = true;
    mainHost = "main";
    credentials.apiSecretKeyFile = "/etc/credentials/api-secret-key";
    metrics.enable = true;
    dagBundles.acme = {
      git = {
        url = "root@main:/srv/dags.git";
        folder = "dags";
        keyFile = "/run/dags-key";
      };
      refreshInterval = 5;
    };
    openFirewall = true;
    redis.passwordFile = "/etc/credentials/redis-password";
    taskLogs.remote = {
      url = "s3://events/task-logs";
      connection = "task_logs";
    };
  };

  services.etl = {
    enable = true;
    s3 = {
      bucket = "events";
      prefix = "events";
      endpointUrl = "http://main:5000";
      credentialsFile = "/etc/credentials/aws";
    };
    startDate = "2016-02-21";
    warehouse.urlFile = "/etc/credentials/warehouse-url";
  };
}
