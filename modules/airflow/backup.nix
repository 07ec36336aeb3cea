# Copies of the databases, regularly and before their tables change; and the command that puts them back.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  cfg = config.services.airflow;
  db = cfg.database;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  # The command has the functions of the job.
  folder = pkgs.writeTextDir "backup.py" (builtins.readFile ./backup.py);
  restore = pkgs.writeText "restore.py" (builtins.readFile ./restore.py);

  mysql = if db.createLocally then config.services.mysql.package else pkgs.mysql84;

  # What both programs are told of a database. What is made before something is changed is
  # made on this host alone.
  settingsOf = job: client: {
    inherit client;
    inherit (job) database directory;
    mysql = lib.getExe' mysql "mysql";
    mysqldump = lib.getExe' mysql "mysqldump";
    retention_days = cfg.backup.retentionDays;
    s3 = null;
  };
  ofUnit = job: settingsOf job (helpers.mysqlClient { inherit (job) isLocal user; });
  backUp =
    name: settings:
    "${helpers.python} ${folder}/backup.py ${pkgs.writeText "${name}.json" (builtins.toJSON settings)}";

  restoreSettings = pkgs.writeText "airflow-restore.json" (
    builtins.toJSON {
      databases = lib.mapAttrs' (
        _: job:
        lib.nameValuePair job.database (
          settingsOf job (
            helpers.mysqlClient {
              inherit (job) isLocal;
              user = "root";
              inherit (db) passwordFile;
            }
          )
        )
      ) cfg.backup.jobs;
      jobs = map (name: "${name}.service") helpers.timedJobs;
      timers = map (name: "${name}.timer") helpers.timedJobs;
    }
  );
in
{
  options.services.airflow.backup = {
    enable = lib.mkEnableOption "regular backups of the databases of this host: Airflow's, and the warehouse";
    startAt = helpers.mkStartAt "daily" "make a backup";
    directory = mkOption {
      type = helpers.pathOutsideStore;
      default = "/var/backup/airflow";
      description = ''
        Folder of the backups of Airflow's database, `airflow-YYYYMMDDTHHMMSSZ.sql.zst`.
        Each is one moment of the database, and has been read back after it was written;
        `airflow-restore FILE…` puts it back. One is also made before an upgrade changes
        the database's tables. The Fernet key isn't in it, and without the key its
        connections can't be read: keep
        {option}`services.airflow.credentials.fernetKeyFile` elsewhere too.
      '';
    };
    retentionDays = mkOption {
      type = types.ints.positive;
      default = 14;
      description = "Age in days from which backups are deleted from this host.";
    };
    s3 = {
      bucket = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "acme-backups";
        description = ''
          Bucket to which each backup is copied. Nothing is ever deleted there: that is
          for a lifecycle rule of the bucket.
        '';
      };
      prefix = mkOption {
        type = types.str;
        default = "";
        example = "airflow";
        description = "Prefix of the copies; nothing for the bucket's root.";
      };
      region = mkOption {
        type = types.str;
        default = "us-east-1";
        description = "AWS region of the bucket.";
      };
      endpointUrl = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "https://minio.internal.example.org:9000";
        description = "Address of an S3 API other than AWS's.";
      };
      credentialsFile = mkOption {
        type = types.nullOr helpers.pathOutsideStore;
        default = null;
        example = "/run/agenix/backup-aws";
        description = ''
          AWS keys as a shared credentials file (`[default]`, `aws_access_key_id`,
          `aws_secret_access_key`), which may put objects into the bucket. Not needed on
          a host with an instance role.
        '';
      };
    };
    jobs = mkOption {
      internal = true;
      default = { };
      description = "The databases, by the names of their jobs.";
      type = types.attrsOf (
        types.submodule (
          { name, config, ... }:
          {
            config.command = backUp "${name}-migration-backup" (ofUnit config);
            options = {
              database = mkOption {
                type = types.str;
                description = "The database.";
              };
              directory = mkOption {
                type = helpers.pathOutsideStore;
                description = "Folder of its backups.";
              };
              user = mkOption {
                type = types.str;
                description = "Whose it is: user of the host and of MySQL.";
              };
              isLocal = mkOption {
                type = types.bool;
                description = "Whether it is of this host's MySQL.";
              };
              migration = mkOption {
                type = types.str;
                description = "Unit that makes its tables, and copies it before it changes them.";
              };
              after = mkOption {
                type = types.listOf types.str;
                default = [ ];
                description = "Backups that are made before it.";
              };
              command = mkOption {
                type = types.str;
                readOnly = true;
                description = "What a migration makes a backup with: on this host, and nowhere else.";
              };
            };
          }
        )
      );
    };
  };

  config = lib.mkIf (cfg.enable && helpers.hasServer && cfg.backup.enable) {
    services.airflow = {
      backup.jobs.airflow = {
        database = db.name;
        inherit (cfg.backup) directory;
        user = "airflow";
        isLocal = db.createLocally;
        migration = "airflow-migrate.service";
      };

      secrets.backup-s3 = lib.mkIf (cfg.backup.s3.credentialsFile != null) {
        option = "services.airflow.backup.s3.credentialsFile";
        path = cfg.backup.s3.credentialsFile;
        roles = map (name: "${name}-backup") (lib.attrNames cfg.backup.jobs);
        multiline = true;
        environment.AWS_SHARED_CREDENTIALS_FILE = "%d/backup-s3";
      };
    };

    systemd.services = lib.mapAttrs' (
      name: job:
      lib.nameValuePair "${name}-backup" (
        helpers.mkJob "${name}-backup" {
          description = "Airflow: back up the database ${job.database}";
          role = "${name}-backup";
          inherit (job) user;
          inherit (cfg.backup) startAt;
          after = [ job.migration ] ++ job.after;
          requires = [ job.migration ];
          # The warehouse's source may be another S3 than the backups' place.
          environment.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS = "true";
          serviceConfig = lib.optionalAttrs (job.isLocal && cfg.backup.s3.bucket == null) helpers.offline // {
            ReadWritePaths = [ job.directory ];
            ExecStart = backUp "${name}-backup" (
              ofUnit job // lib.optionalAttrs (cfg.backup.s3.bucket != null) { inherit (cfg.backup) s3; }
            );
          };
        }
      )
    ) cfg.backup.jobs;

    systemd.tmpfiles.settings.airflow = lib.mapAttrs' (
      _: job:
      lib.nameValuePair job.directory {
        d = {
          inherit (job) user;
          group = job.user;
          mode = "0700";
        };
      }
    ) cfg.backup.jobs;

    systemd.timers = lib.mapAttrs' (
      name: _: lib.nameValuePair "${name}-backup" { timerConfig.Persistent = true; }
    ) cfg.backup.jobs;

    environment.systemPackages = [
      # To look into them.
      pkgs.zstd
      (pkgs.writeShellScriptBin "airflow-restore" ''
        set -euo pipefail
        if ((UID != 0)); then
          echo "airflow-restore: become root to run it" >&2
          exit 1
        fi
        PYTHONPATH=${folder} exec ${helpers.interpreter} ${restore} ${restoreSettings} "$@"
      '')
    ];
  };
}
