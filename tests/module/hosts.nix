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

  # The hosts of the machine tests.
  folder = ../nixos/hosts;
  tested = builtins.listToAttrs (
    map (file: {
      name = builtins.replaceStrings [ ".nix" ] [ "" ] file;
      value.imports = [
        elsewhere
        (folder + "/${file}")
      ];
    }) (builtins.attrNames (builtins.readDir folder))
  );
in
tested
// {
  # That of the machine tests, and a mail server that asks for a password.
  etl = {
    imports = [
      elsewhere
      (folder + "/pipeline.nix")
    ];
    services.airflow.smtp = {
      user = "airflow";
      passwordFile = "/etc/credentials/smtp-password";
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
