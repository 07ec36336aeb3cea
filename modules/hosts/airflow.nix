# An example of a production host: everything on one machine, behind nginx with TLS.
# Change the names and the addresses, and the disk in hardware.nix, and deploy it with
#   nixos-rebuild switch --flake .#airflow --target-host root@HOST
{ config, lib, ... }:

let
  # Secrets are encrypted in the repository; what isn't there yet, the host makes itself.
  encrypted = name: ../../secrets + "/${name}.age";
  # Of a database, a Redis or a warehouse on another host it would have the password, too:
  # add database-password, redis-password or warehouse-url.
  names = lib.filter (name: builtins.pathExists (encrypted name)) [
    "admin-password"
    "api-secret-key"
    "aws"
    "fernet-key"
    "jwt-secret"
    "smtp-password"
  ];
  secret = name: if lib.elem name names then config.age.secrets.${name}.path else null;
in
{
  imports = [ ./hardware.nix ];

  networking.hostName = "airflow";

  security.acme = {
    acceptTerms = true;
    defaults.email = "operations@example.org";
  };

  age.secrets = lib.genAttrs names (name: {
    file = encrypted name;
  });

  services.airflow = {
    enable = true;
    openFirewall = true;
    admin.passwordFile = secret "admin-password";
    credentials = {
      apiSecretKeyFile = secret "api-secret-key";
      fernetKeyFile = secret "fernet-key";
      jwtSecretFile = secret "jwt-secret";
    };
    nginx = {
      enable = true;
      enableACME = true;
      hostName = "airflow.example.org";
    };
    smtp = {
      enable = true;
      host = "mail.example.org";
      port = 587;
      encryption = "starttls";
      from = "airflow@example.org";
      user = lib.mkIf (secret "smtp-password" != null) "airflow";
      passwordFile = secret "smtp-password";
    };
    backup.enable = true;
    databaseCleanup.enable = true;
    metrics.enable = true;
  };

  services.etl = {
    enable = true;
    startDate = "2016-02-21";
    alertEmails = [ "data-team@example.org" ];
    s3 = {
      bucket = "acme-events";
      prefix = "events";
      credentialsFile = secret "aws";
    };
  };
}
