# An example of several hosts: main.nix, a second scheduler, and workers. They talk to each
# other, to MySQL and to Redis on a private network, wg0, which nobody else is on.
#
# One more worker is a line of nixosConfigurations in flake.nix, its address here, and its key
# in secrets/recipients.json (`secrets/manage.py create --worker KEY`, then `rekey`).
{ config, lib, ... }:

let
  addresses = {
    db = "10.100.0.1";
    main = "10.100.0.2";
    scheduler2 = "10.100.0.3";
    worker1 = "10.100.0.4";
    worker2 = "10.100.0.5";
  };

  port = 51820;

  encrypted = name: ../../../secrets + "/${name}.age";
  isThere = name: builtins.pathExists (encrypted name);
in
{
  imports = [ ../hardware.nix ];

  options.cluster = {
    secrets = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      description = "Names of the secrets that this host decrypts.";
    };
    secret = lib.mkOption {
      readOnly = true;
      type = lib.types.functionTo lib.types.str;
      default = name: "/run/agenix/${name}";
      description = "Where a secret is on this host.";
    };
  };

  config = {
    cluster.secrets = [
      "api-secret-key"
      "aws"
      "redis-password"
      "warehouse-url"
    ];
    age.secrets = lib.genAttrs (lib.filter isThere config.cluster.secrets) (name: {
      file = encrypted name;
    });
    warnings = lib.optional (!lib.all isThere config.cluster.secrets) (
      "secrets/ has no ${
        lib.concatStringsSep ", " (lib.filter (name: !isThere name) config.cluster.secrets)
      } yet: secrets/manage.py create makes them, and without them this host's units fail and say so."
    );

    networking = {
      hosts = lib.mapAttrs' (name: address: lib.nameValuePair address [ name ]) addresses;
      firewall.allowedUDPPorts = [ port ];
      wireguard.interfaces.wg0 = {
        ips = [ "${addresses.${config.networking.hostName}}/24" ];
        listenPort = port;
        generatePrivateKeyFile = true;
        privateKeyFile = "/var/lib/wireguard/private-key";
        # Each of the others: { publicKey = "…"; allowedIPs = [ "10.100.0.4/32" ]; endpoint = "HOST:51820"; }
        peers = [ ];
      };
    };

    services.airflow = {
      enable = true;
      credentials.apiSecretKeyFile = config.cluster.secret "api-secret-key";
      redis.passwordFile = config.cluster.secret "redis-password";
    };

    services.etl = {
      enable = true;
      startDate = "2016-02-21";
      alertEmails = [ "data-team@example.org" ];
      s3 = {
        bucket = "acme-events";
        prefix = "events";
        credentialsFile = config.cluster.secret "aws";
      };
      warehouse.urlFile = config.cluster.secret "warehouse-url";
    };
  };
}
