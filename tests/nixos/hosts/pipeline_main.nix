# A main host without a worker; the workers are on other hosts, and write to its warehouse.
{
  services.airflow = {
    enable = true;
    admin.passwordFile = "/etc/credentials/admin-password";
    connections.task_logs.uriFile = "/etc/credentials/connection-task-logs";
    credentials.apiSecretKeyFile = "/etc/credentials/api-secret-key";
    health.workersElsewhere = [ "worker-default" ];
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
    redis.bind = "192.168.1.1";
    redis.passwordFile = "/etc/credentials/redis-password";
    taskLogs.remote = {
      url = "s3://events/task-logs";
      connection = "task_logs";
    };
    webserver.host = "0.0.0.0";
    workers.default.enable = false;
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
  };

  services.mysql.settings.mysqld = {
    bind-address = "192.168.1.1";
    skip-networking = false;
  };

  # The warehouse, and the S3 API of the tests.
  networking.firewall.allowedTCPPorts = [
    3306
    5000
  ];
}
