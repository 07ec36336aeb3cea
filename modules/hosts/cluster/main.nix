# The main host of several: the web server behind nginx, a scheduler, the DAG processor, a
# triggerer, and Redis.
{ config, ... }:

{
  imports = [ ./servers.nix ];

  networking.hostName = "main";
  cluster.secrets = [ "admin-password" ];

  networking.firewall = {
    allowedTCPPorts = [
      80
      443
    ];
    interfaces.wg0.allowedTCPPorts = [
      config.services.airflow.redis.port
      config.services.airflow.webserver.port
    ];
  };

  security.acme = {
    acceptTerms = true;
    defaults.email = "operations@example.org";
  };

  services.airflow = {
    admin.passwordFile = config.cluster.secret "admin-password";
    backup.enable = true;
    databaseCleanup.enable = true;
    health.workersElsewhere = [
      "worker1-default"
      "worker2-default"
    ];
    nginx = {
      enable = true;
      enableACME = true;
      hostName = "airflow.example.org";
    };
    redis.bind = "10.100.0.2";
    webserver.host = "0.0.0.0";
  };
}
