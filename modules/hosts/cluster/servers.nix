# What the hosts with Airflow's server units have in common: the database, on a MySQL server
# of its own, and the secrets that no worker has.
{ config, ... }:

{
  imports = [ ./common.nix ];

  cluster.secrets = [
    "database-password"
    "fernet-key"
    "jwt-secret"
    "smtp-password"
  ];

  services.airflow = {
    credentials = {
      fernetKeyFile = config.cluster.secret "fernet-key";
      jwtSecretFile = config.cluster.secret "jwt-secret";
    };
    database = {
      host = "db";
      passwordFile = config.cluster.secret "database-password";
    };
    smtp = {
      enable = true;
      host = "mail.example.org";
      port = 587;
      encryption = "starttls";
      from = "airflow@example.org";
      user = "airflow";
      passwordFile = config.cluster.secret "smtp-password";
    };
    workers.default.enable = false;
  };
}
