# The pipeline on one host, with all that a host can have, and no patience.
{
  services.airflow = {
    enable = true;
    admin.passwordFile = "/etc/credentials/admin-password";
    backup = {
      enable = true;
      s3 = {
        bucket = "events";
        prefix = "backups";
        endpointUrl = "http://127.0.0.1:5000";
        credentialsFile = "/etc/credentials/aws";
      };
    };
    connections = {
      billing.uriFile = "/etc/credentials/connection-billing";
      status_page.uri = "http://status.example.org/?timeout=10";
    };
    credentials = {
      apiSecretKeyFile = "/etc/credentials/api-secret-key";
      fernetKeyFile = "/etc/credentials/fernet-key";
      jwtSecretFile = "/etc/credentials/jwt-secret";
    };
    databaseCleanup.enable = true;
    metrics.enable = true;
    nginx = {
      enable = true;
      hostName = "localhost";
    };
    openFirewall = true;
    settings = {
      # A failed task is tried again at once, and a lost one is missed soon.
      core.default_task_retry_delay = 1;
      core.max_task_retry_delay = 1;
      scheduler.task_instance_heartbeat_timeout = 20;
      scheduler.task_instance_heartbeat_timeout_detection_interval = 2;
    };
    smtp = {
      enable = true;
      port = 2525;
      from = "airflow@example.org";
    };
    variables.region = "eu-west-1";
  };

  services.etl = {
    enable = true;
    alertEmails = [ "data-team@example.org" ];
    s3 = {
      bucket = "events";
      prefix = "events";
      endpointUrl = "http://127.0.0.1:5000";
      credentialsFile = "/etc/credentials/aws";
    };
    startDate = "2016-02-21";
  };
}
