# What the files of this module share.
{
  config,
  lib,
  pkgs,
}:

let
  cfg = config.services.airflow;
in
rec {
  # Of secrets and backups: what is in the store, every user of the host can read.
  pathOutsideStore = lib.types.pathWith {
    absolute = true;
    inStore = false;
  };

  hasServer =
    cfg.webserver.enable || cfg.scheduler.enable || cfg.dagProcessor.enable || cfg.triggerer.enable;

  workers = lib.filterAttrs (_: worker: worker.enable) cfg.workers;
  hasWorkers = workers != { };

  workerUnit = name: if name == "default" then "airflow-worker" else "airflow-worker-${name}";

  # Units' programs, so that the journal knows their errors from the rest; and the command `airflow`.
  journal = pkgs.writeTextDir "airflow_journal.py" (builtins.readFile ./airflow_journal.py);
  interpreter = lib.getExe' cfg.finalPackage "python";
  python = "${interpreter} ${journal}/airflow_journal.py";
  airflow = "${python} -m airflow";

  usesSocket = cfg.redis.createLocally && cfg.redis.bind == null;
  redisUnit = lib.optional cfg.redis.createLocally "redis-airflow.service";
  databaseUnit = lib.optional cfg.database.createLocally "mysql.service";
  remoteUnit = lib.optional (
    !(cfg.database.createLocally && cfg.redis.createLocally)
  ) "network-online.target";

  # An address that refuses at once, and whose error says why.
  noDatabase = "mysql+mysqldb://none@localhost/none?unix_socket=/run/no-database-for-this-unit";

  # `airflow-credential NAME` prints a secret, `airflow-credential NAME BEFORE AFTER`
  # an address that holds it: whole addresses are put together where they are read,
  # so that no secret is ever in an environment or on a command line.
  credential = pkgs.writeShellScript "airflow-credential" ''
    set -euo pipefail
    secret=$(< "$CREDENTIALS_DIRECTORY/$1")
    if (($# == 1)); then
      printf %s "$secret"
      exit
    fi
    hex=$(printf %s "$secret" | ${pkgs.coreutils}/bin/od -An -v -tx1 | ${pkgs.coreutils}/bin/tr -d ' \n')
    printf %s "$2"
    while [[ -n $hex ]]; do
      printf %%%s "''${hex:0:2}"
      hex=''${hex:2}
    done
    printf %s "$3"
  '';

  # A missing file becomes this text (SetCredential= is what LoadCredential= falls
  # back to), for `prepare` to say which option named it.
  missing = "no such file";

  # Runs before a unit's program, whose command it is given. It knows no more than the
  # unit's own secrets, so that another one restarts no more than it must. It becomes the
  # program: systemd takes only a main process's 78 for a reason not to try again.
  prepare =
    names: connections:
    pkgs.writeShellScript "airflow-prepare" (
      ''
        set -euo pipefail

        check() { # NAME OPTION FILE
          local complaint
          case $(< "$CREDENTIALS_DIRECTORY/$1") in
            ${lib.escapeShellArg missing}) complaint="does not exist" ;;
            "") complaint="is empty" ;;
            *$'\n'*) complaint=''${4-"must be a single line"} ;;
          esac
          if [[ -n ''${complaint-} ]]; then
            echo "''${JOURNAL_STREAM:+<3>}$2: $3 $complaint" >&2
            exit 78
          fi
        }

      ''
      + lib.concatMapStrings (
        name:
        let
          secret = cfg.secrets.${name};
          words = [
            name
            secret.option
            secret.path
          ]
          ++ lib.optional secret.multiline "";
        in
        "check ${lib.escapeShellArgs words}\n"
      ) names
      + lib.optionalString connections ''

        umask 077
        {
          :
          ${lib.concatStringsSep "\n  " cfg.connectionLines}
        } > "$1"
        shift
      ''
      + ''

        exec "$@"
      ''
    );

  # Tells systemd that the secrets are there, and becomes the daemon.
  ready = "${lib.getExe' pkgs.systemd "systemd-notify"} --ready --exec -- \\;";

  # Which settings a credential fills, for as many as the unit has.
  credentialEnvironment =
    names:
    lib.concatMapAttrs (
      name: secret: lib.optionalAttrs (lib.elem name names) secret.environment
    ) cfg.secrets;

  loadCredentials = names: {
    LoadCredential = map (name: "${name}:${cfg.secrets.${name}.path}") names;
    SetCredential = map (name: "${name}:${missing}") names;
  };

  secretsFor =
    role: lib.attrNames (lib.filterAttrs (_: secret: lib.elem role secret.roles) cfg.secrets);

  # What Airflow finds by its Python name.
  pythonPath = lib.concatStringsSep ":" [
    (pkgs.writeTextDir "airflow_auth_manager.py" (builtins.readFile ./auth_manager.py))
    (pkgs.writeTextDir "airflow_logging.py" (builtins.readFile ./airflow_logging.py))
    journal
  ];

  baseEnvironment =
    user:
    {
      AIRFLOW_CONFIG = toString cfg.configFile;
      AIRFLOW_HOME = "/var/lib/${user}";
      HOME = "/var/lib/${user}";
      NO_COLOR = "1";
      PYTHONPATH = pythonPath;
    }
    // cfg.environment;

  # Connections and variables of the configuration, for the processes that answer
  # for them; tasks ask the web server.
  secretsBackend =
    connectionsFile:
    lib.optionalAttrs cfg.hasSecretsBackend {
      AIRFLOW__SECRETS__BACKEND = "airflow.secrets.local_filesystem.LocalFilesystemBackend";
      AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE_PATH = connectionsFile;
      AIRFLOW__SECRETS__BACKEND_KWARG__VARIABLES_FILE_PATH = toString cfg.variablesFile;
    };

  hardening = import ./hardening.nix { inherit (cfg) execPaths; };

  # One value can be changed from outside without mkForce; lists of credentials and
  # commands grow instead.
  overridable = lib.mapAttrs (
    name: value:
    if
      lib.elem name [
        "LoadCredential"
        "SetCredential"
        "ExecStartPre"
      ]
    then
      value
    else
      lib.mkDefault value
  );

  # A unit with the hardening, the environment and the credentials of a role. A role
  # is who may know what: see credentials.nix.
  mkService =
    name:
    {
      role,
      user ? "airflow",
      environment ? { },
      serviceConfig ? { },
      after ? [ ],
      wants ? [ ],
      connections ? false,
      ...
    }@unit:
    let
      names = secretsFor role;
      serves = connections && cfg.hasSecretsBackend;
      prepared = lib.concatStringsSep " " (
        [ (toString (prepare names serves)) ]
        ++ lib.optional serves "%t/${name}/connections.env"
        ++ lib.optional (serviceConfig.Type == "notify") ready
      );
    in
    removeAttrs unit [
      "role"
      "user"
      "connections"
    ]
    // {
      startLimitIntervalSec = 0;
      partOf = [ "airflow.target" ];
      after = [ "network.target" ] ++ remoteUnit ++ secretsUnit ++ after;
      wants = remoteUnit ++ secretsUnit ++ wants;
      environment =
        baseEnvironment user
        // credentialEnvironment names
        // lib.optionalAttrs connections (secretsBackend "%t/${name}/connections.env")
        // environment;
      serviceConfig = overridable (
        hardening
        // loadCredentials names
        // {
          User = user;
          Group = user;
          RuntimeDirectory = name;
          RuntimeDirectoryMode = "0700";
          StateDirectory = user;
          StateDirectoryMode = "0750";
          LogsDirectory = user;
          LogsDirectoryMode = "0750";
          WorkingDirectory = "/var/lib/${user}";
          SyslogIdentifier = name;
        }
        // serviceConfig
        // {
          ExecStart = "${prepared} ${serviceConfig.ExecStart}";
        }
      );
    };

  # On SIGTERM, Airflow's programs leave by an exception that is raised wherever they are.
  # Python drops it if that is in a callback of its garbage collector, and they go on: most
  # often while they start. So they are asked here first, and by systemd if they are still there.
  askToStop = pkgs.writeShellScript "airflow-ask-to-stop" ''
    if [[ -n ''${MAINPID-} ]] && kill -TERM "$MAINPID"; then
      ${pkgs.coreutils}/bin/timeout 10 ${pkgs.coreutils}/bin/tail --pid="$MAINPID" --sleep-interval=0.1 --follow /dev/null
    fi
    exit 0
  '';

  # Tried until it works, less and less often: what it waits for may be away for hours.
  # What time doesn't mend is left failed: a bad secret or a newer schema (78), or a wrong
  # setting of the pipeline (2).
  retried = {
    RestartSec = "5s";
    RestartSteps = 5;
    RestartMaxDelaySec = "30s";
    RestartPreventExitStatus = "2 78";
  };

  # MySQL and Redis of this host. Their own modules leave them down after some of the ways
  # in which they can end: MySQL when its disk was full, Redis after a crash.
  serverKeptUp = {
    startLimitIntervalSec = 0;
    serviceConfig =
      lib.mapAttrs (_: lib.mkOverride 75) {
        Restart = "on-failure";
        RestartSec = "2s";
      }
      // {
        RestartSteps = 5;
        RestartMaxDelaySec = "30s";
      };
  };

  # On a host whose database or Redis others can reach: one of them that is gone, or cut
  # off, has its connections closed, and with them its locks let go, within 35 s when it was
  # silent and 100 s when something was on its way to it. By default it takes hours.
  noticeLostPeers = lib.mapAttrs (_: lib.mkDefault) {
    "net.ipv4.tcp_keepalive_time" = 20;
    "net.ipv4.tcp_keepalive_intvl" = 5;
    "net.ipv4.tcp_keepalive_probes" = 3;
    "net.ipv4.tcp_retries2" = 8;
  };

  daemon = {
    wantedBy = [ "airflow.target" ];
    before = [ "airflow-started.service" ];
  };
  daemonConfig = retried // {
    Type = "notify";
    Restart = "always";
    ExecStop = toString askToStop;
    # As the first process of a namespace it would miss the SIGTERM of a stop that comes
    # before it listens for one, and a worker would hang until its drainTimeout.
    PrivatePIDs = false;
  };

  # For what only ever talks to a local MySQL, by its socket.
  offline = {
    PrivateNetwork = true;
    RestrictAddressFamilies = [ "AF_UNIX" ];
  };
  offlineIfLocal = lib.optionalAttrs cfg.database.createLocally offline;

  # For what runs again and again: that it starts and ends is no news.
  quiet.LogLevelMax = "notice";

  # Of a record that says the same every few seconds, with nothing to do.
  without = record: { LogFilterPatterns = "~^INFO .*${record}"; };

  oneshotConfig = retried // {
    Type = "oneshot";
    RemainAfterExit = true;
    TimeoutStartSec = "30min";
    Restart = "on-failure";
    RestartMaxDelaySec = "15s";
    # What requires it waits for the next try instead of failing with this one.
    RestartMode = "direct";
  };

  # How MySQL's programs reach a database of this host, as one of its users, or Airflow's elsewhere.
  mysqlClient =
    {
      isLocal ? cfg.database.createLocally,
      user ? cfg.database.user,
      passwordFile ? "$CREDENTIALS_DIRECTORY/database-password",
    }:
    if isLocal then
      {
        inherit user;
        socket = "/run/mysqld/mysqld.sock";
      }
    else
      {
        inherit (cfg.database) host port user;
        password_file = if cfg.database.passwordFile == null then null else passwordFile;
      };

  # What timers of this host start, by name.
  timedJobs = lib.optionals hasServer (
    lib.optionals cfg.backup.enable (map (name: "${name}-backup") (lib.attrNames cfg.backup.jobs))
    ++ lib.optional cfg.databaseCleanup.enable "airflow-database-cleanup"
  );

  mkStartAt =
    default: what:
    lib.mkOption {
      type = lib.types.str;
      inherit default;
      example = "Sun 04:00";
      description = "When to ${what}, as a systemd calendar event (systemd.time(7)).";
    };

  # A unit that a timer starts, and not airflow.target.
  mkJob =
    name: job:
    mkService name (
      {
        after = [ "airflow-migrate.service" ];
        requires = [ "airflow-migrate.service" ];
      }
      // job
      // {
        serviceConfig = {
          Type = "oneshot";
          TimeoutStartSec = "6h";
        }
        // job.serviceConfig;
      }
    );

  # Before anything is written to a local MySQL: databases that NixOS made before June 2026
  # let every user of the host in as root.
  refuseOpenMysql = pkgs.writeShellScript "airflow-refuse-open-mysql" ''
    if ${config.services.mysql.package}/bin/mysql --no-defaults --socket /run/mysqld/mysqld.sock \
      --user root --execute "" 2> /dev/null; then
      echo "<3>services.mysql: root@localhost takes anybody without a password, so that every task can read Airflow's database (GHSA-6qxx-6rg8-c4p8). As root: mysql --execute 'ALTER USER root@localhost IDENTIFIED WITH auth_socket'; systemctl start airflow.target" >&2
      exit 78
    fi
  '';

  # Why NixOS's MySQL can't be used, if so.
  mysqlRefusal = {
    assertion = config.services.mysql.secureSuperUserByDefault or false;
    message = "services.mysql: root@localhost would take anybody without a password (GHSA-6qxx-6rg8-c4p8); take a nixpkgs of June 2026 or newer, and leave services.mysql.secureSuperUserByDefault at true.";
  };

  secretsUnit = lib.optional (hasServer && cfg.generatedSecrets != { }) "airflow-secrets.service";

  # A command for administrators: the user, the environment and the credentials of a
  # unit. The units get their secrets from systemd; here they are copied for as long as
  # the command runs, to where nobody but that user can read them.
  mkCommand =
    {
      name,
      user,
      role,
      program,
      environment ? { },
      connections ? false,
    }:
    let
      names = secretsFor role;
      serves = connections && cfg.hasSecretsBackend;
      directory = "\"$CREDENTIALS_DIRECTORY\"";
      # What units make of their environment.
      quote =
        value:
        "'${
          lib.replaceStrings
            [
              "'"
              "%%"
              "%d"
            ]
            [
              "'\\''"
              "%"
              "'${directory}'"
            ]
            value
        }'";
      assignments =
        lib.mapAttrs (_: quote) (baseEnvironment user // credentialEnvironment names // environment)
        // lib.optionalAttrs connections (secretsBackend "${directory}/connections.env");
    in
    pkgs.writeShellScriptBin name ''
      set -euo pipefail
      if ((UID != 0)); then
        if [[ ! -x /run/wrappers/bin/sudo ]]; then
          echo "${name}: this host has no sudo; become root to run it" >&2
          exit 1
        fi
        exec /run/wrappers/bin/sudo -- "$0" "$@"
      fi
      export PATH=${
        lib.makeBinPath [
          pkgs.coreutils
          pkgs.util-linux
        ]
      }

      CREDENTIALS_DIRECTORY=$(mktemp -d /run/${name}-command.XXXXXXXXXX)
      # Not to be ended itself by what ends the command.
      trap 'trap "" TERM; rm -rf -- "$CREDENTIALS_DIRECTORY"' EXIT
      ${
        lib.concatMapStrings (secret: ''
          install -m 0400 -o ${user} -g ${user} -- ${
            lib.escapeShellArg cfg.secrets.${secret}.path
          } ${directory}/${secret}
        '') names
      }chown ${user}:${user} ${directory}

      as_user() {
        (
          cd /var/lib/${user}
          runuser -u ${user} -- env -i CREDENTIALS_DIRECTORY=${directory} \
            PATH="$PATH" TERM="''${TERM:-dumb}" \
            ${
              lib.concatStringsSep " \\\n      " (
                lib.mapAttrsToList (variable: value: "${variable}=${value}") assignments
              )
            } \
            "$@"
        )
      }

      ${lib.optionalString (
        names != [ ]
      ) "as_user ${prepare names serves}${lib.optionalString serves " ${directory}/connections.env"}"}
      as_user ${program} "$@"
    '';
}
