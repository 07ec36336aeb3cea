# The hosts whose units are kept in tests/machine/rendered, where they are booted.
let
  # There, programs come from the distribution instead of the store.
  elsewhere = {
    services.airflow.execPaths = [
      "/nix/store"
      "/opt"
      "/usr"
    ];
  };
in
{
  # enable = true alone.
  single = {
    imports = [ elsewhere ];
    services.airflow.enable = true;
  };

  # The pipeline on one host, with all that a host can have.
  etl = {
    imports = [ elsewhere ];
    services.airflow = {
      enable = true;
      admin.passwordFile = "/etc/credentials/admin-password";
      backup.enable = true;
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
      nginx = {
        enable = true;
        hostName = "localhost";
      };
      openFirewall = true;
      settings.scheduler = {
        task_instance_heartbeat_timeout = 20;
        task_instance_heartbeat_timeout_detection_interval = 2;
      };
      smtp = {
        enable = true;
        port = 2525;
        from = "airflow@example.org";
        user = "airflow";
        passwordFile = "/etc/credentials/smtp-password";
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
  };

  # A main host and its worker host.
  main = {
    imports = [ elsewhere ];
    services.airflow = {
      enable = true;
      credentials.apiSecretKeyFile = "/etc/credentials/api-secret-key";
      openFirewall = true;
      redis.bind = "10.0.0.1";
      redis.passwordFile = "/etc/credentials/redis-password";
      webserver.host = "0.0.0.0";
      workers.default.enable = false;
    };
  };
  worker = {
    imports = [ elsewhere ];
    services.airflow = {
      enable = true;
      mainHost = "main";
      credentials.apiSecretKeyFile = "/etc/credentials/api-secret-key";
      redis.passwordFile = "/etc/credentials/redis-password";
      openFirewall = true;
    };
  };
}
