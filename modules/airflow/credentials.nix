# Secrets: where they lie, which units get them, and those that the host makes itself.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  cfg = config.services.airflow;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  generated = name: "/var/lib/airflow/secrets/${name}";

  mkSecretOption =
    name: what:
    mkOption {
      type = types.nullOr helpers.pathOutsideStore;
      default = null;
      example = "/run/agenix/airflow-${name}";
      description = ''
        File with ${what}

        When null, the host makes one on its first start and keeps it, as
        `${generated name}`. Hosts that share a database must be given the same file.
      '';
    };

  # Everything that works on the database, and the command line.
  servers = [
    "webserver"
    "scheduler"
    "dag-processor"
    "triggerer"
    "cli"
  ];
in
{
  options.services.airflow = {
    credentials = {
      fernetKeyFile = mkSecretOption "fernet-key" ''
        the Fernet key, which encrypts connections and variables in the database
        (32 random bytes in URL-safe base64). Several keys with commas between
        them are a rotation: the first encrypts, all decrypt.'';
      jwtSecretFile = mkSecretOption "jwt-secret" "the secret that signs the tokens of tasks and of users. Workers don't get it.";
      apiSecretKeyFile = mkSecretOption "api-secret-key" ''
        the key with which the web server asks workers for the logs of tasks. On a
        worker host it must be given, the same as on the main host.'';
    };

    extraCredentials = mkOption {
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = {
              file = mkOption {
                type = helpers.pathOutsideStore;
                example = "/run/agenix/api-token";
                description = "The file, which only root needs to be able to read.";
              };
              roles = mkOption {
                type = types.listOf (
                  types.enum [
                    "dag-processor"
                    "scheduler"
                    "triggerer"
                    "webserver"
                    "worker"
                  ]
                );
                default = [ "worker" ];
                description = "Which units get it.";
              };
              option = mkOption {
                type = types.str;
                internal = true;
                default = "services.airflow.extraCredentials.${name}.file";
                description = "Name of the option, for the message when the file is missing.";
              };
            };
          }
        )
      );
      default = { };
      example = lib.literalExpression ''
        { api-token.file = "/run/agenix/api-token"; }
      '';
      description = ''
        Further secrets of DAGs, which tasks read as files from the folder
        `$CREDENTIALS_DIRECTORY`. In the environment of a unit, `%d` stands for it.
      '';
    };

    secrets = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            option = mkOption {
              type = types.str;
              description = "Name of the option that gives the file.";
            };
            path = mkOption {
              type = helpers.pathOutsideStore;
              description = "The file.";
            };
            roles = mkOption {
              type = types.listOf types.str;
              description = "Who gets it.";
            };
            environment = mkOption {
              type = types.attrsOf types.str;
              default = { };
              description = "How Airflow reads it.";
            };
            multiline = mkOption {
              type = types.bool;
              default = false;
              description = "Whether it is more than one line of text.";
            };
          };
        }
      );
      default = { };
      internal = true;
      visible = false;
      description = "Every secret of this host, by its name in the credentials directory.";
    };

    generatedSecrets = mkOption {
      type = types.attrsOf types.str;
      default = { };
      internal = true;
      description = "Secrets that the host makes, with the command that prints a new one.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.airflow = {
      secrets =
        let
          mkSecret = name: file: option: roles: environment: {
            inherit option roles environment;
            path = if file == null then generated name else file;
          };
          inherit (cfg.credentials) fernetKeyFile jwtSecretFile apiSecretKeyFile;
        in
        {
          fernet-key =
            mkSecret "fernet-key" fernetKeyFile "services.airflow.credentials.fernetKeyFile"
              (servers ++ [ "migrate" ])
              {
                AIRFLOW__CORE__FERNET_KEY_CMD = "${helpers.credential} fernet-key";
              };
          jwt-secret =
            mkSecret "jwt-secret" jwtSecretFile "services.airflow.credentials.jwtSecretFile" servers
              {
                AIRFLOW__API_AUTH__JWT_SECRET_CMD = "${helpers.credential} jwt-secret";
              };
          api-secret-key =
            mkSecret "api-secret-key" apiSecretKeyFile "services.airflow.credentials.apiSecretKeyFile"
              [
                "webserver"
                "triggerer"
                "worker"
                "worker-logs"
              ]
              {
                AIRFLOW__API__SECRET_KEY_CMD = "${helpers.credential} api-secret-key";
              };
        }
        // lib.mapAttrs (_: extra: {
          inherit (extra) option roles;
          path = extra.file;
          multiline = true;
        }) cfg.extraCredentials;

      generatedSecrets =
        let
          base64 = "head -c 32 /dev/urandom | base64";
        in
        lib.optionalAttrs (cfg.credentials.fernetKeyFile == null) {
          fernet-key = "${base64} | tr '+/' '-_'";
        }
        // lib.optionalAttrs (cfg.credentials.jwtSecretFile == null) { jwt-secret = base64; }
        // lib.optionalAttrs (cfg.credentials.apiSecretKeyFile == null) { api-secret-key = base64; };
    };

    systemd.services.airflow-secrets = lib.mkIf (helpers.secretsUnit != [ ]) {
      description = "Airflow: secrets that this host makes for itself";
      partOf = [ "airflow.target" ];
      startLimitIntervalSec = 0;
      serviceConfig = helpers.overridable (
        helpers.hardening
        // helpers.oneshotConfig
        // {
          User = "airflow";
          Group = "airflow";
          # It needs no network at all.
          PrivateNetwork = true;
          RestrictAddressFamilies = "none";
          StateDirectory = "airflow airflow/secrets";
          StateDirectoryMode = "0750";
          SyslogIdentifier = "airflow-secrets";
          ExecStart = toString (
            pkgs.writeShellScript "airflow-secrets" ''
              set -euo pipefail
              umask 0377
              cd /var/lib/airflow/secrets
              export PATH=${lib.makeBinPath [ pkgs.coreutils ]}
              # Written aside and renamed: a crash leaves no half of a secret.
              keep() {
                [[ -s $1 ]] && return
                rm -f -- "$1.new"
                "make-$1" > "$1.new"
                mv -- "$1.new" "$1"
                echo "made $PWD/$1"
              }
              ${lib.concatStrings (
                lib.mapAttrsToList (name: command: ''
                  make-${name}() { ${command}; }
                  keep ${name}
                '') cfg.generatedSecrets
              )}''
          );
        }
      );
    };
  };
}
