# DAGs beside those of the pipeline or of dagsFolder: other folders, and git repositories.
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

  ofGit = lib.filterAttrs (_: bundle: bundle.git != null) cfg.dagBundles;
  withKey = lib.filterAttrs (_: bundle: bundle.git.keyFile != null) ofGit;
  keyOf = name: "dag-bundle-${name}";

  # As the host is said to be in /etc/ssh/ssh_known_hosts, or not at all.
  ssh = lib.concatStringsSep " " (
    [
      "${lib.getExe' pkgs.openssh "ssh"} -F none"
      "-o BatchMode=yes -o IdentitiesOnly=yes"
      "-o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null"
    ]
    ++ map (name: "-i %d/${keyOf name}") (lib.attrNames withKey)
  );

  entry =
    name: bundle:
    if bundle.git == null then
      {
        inherit name;
        classpath = "airflow.dag_processing.bundles.local.LocalDagBundle";
        kwargs = {
          path = toString bundle.path;
          refresh_interval = bundle.refreshInterval;
        };
      }
    else
      {
        inherit name;
        classpath = "airflow.providers.git.bundles.git.GitDagBundle";
        kwargs = {
          repo_url = bundle.git.url;
          tracking_ref = bundle.git.ref;
          subdir = bundle.git.folder;
          refresh_interval = bundle.refreshInterval;
        };
      };

  # Who reads DAG files, and where each keeps what it has cloned.
  readers =
    lib.optionalAttrs cfg.dagProcessor.enable { airflow-dag-processor = "/var/lib/airflow"; }
    // lib.mapAttrs' (
      name: _: lib.nameValuePair (helpers.workerUnit name) "/var/lib/airflow-worker"
    ) helpers.workers;
in
{
  options.services.airflow.dagBundles = mkOption {
    type = types.attrsOf (
      types.submodule {
        options = {
          path = mkOption {
            type = types.nullOr (types.either types.path types.package);
            default = null;
            example = "/srv/dags";
            description = "A folder of DAG files, which `airflow` and `airflow-worker` can read.";
          };

          git = mkOption {
            type = types.nullOr (
              types.submodule {
                options = {
                  url = mkOption {
                    type = types.str;
                    example = "git@git.example.org:acme/dags.git";
                    description = "The repository, without a password: see {option}`keyFile`.";
                  };
                  ref = mkOption {
                    type = types.str;
                    default = "main";
                    description = "Branch, tag or commit whose DAGs are run.";
                  };
                  folder = mkOption {
                    type = types.nullOr types.str;
                    default = null;
                    example = "dags";
                    description = "Folder of the DAG files in it; by default its top.";
                  };
                  keyFile = mkOption {
                    type = types.nullOr helpers.pathOutsideStore;
                    default = null;
                    example = "/run/agenix/dags-key";
                    description = ''
                      File with the private SSH key that may read it, a deploy key without a
                      passphrase. The server's own key is to be named in
                      {option}`programs.ssh.knownHosts`; another one is refused.
                    '';
                  };
                };
              }
            );
            default = null;
            description = "A git repository of DAG files. A run keeps to the commit that it started with.";
          };

          refreshInterval = mkOption {
            type = types.ints.positive;
            default = 300;
            description = "Seconds after which it is looked at again for new or changed DAGs.";
          };
        };
      }
    );
    default = { };
    example = lib.literalExpression ''
      {
        reports.path = "/srv/reports";
        acme.git = {
          url = "git@git.example.org:acme/dags.git";
          keyFile = "/run/agenix/dags-key";
        };
      }
    '';
    description = ''
      DAG bundles beside {option}`services.airflow.dagsFolder`, by name; the same on every
      host.
    '';
  };

  config = lib.mkIf (cfg.enable && cfg.dagBundles != { }) {
    assertions = lib.mapAttrsToList (name: bundle: {
      assertion = (bundle.path == null) != (bundle.git == null);
      message = "services.airflow.dagBundles.${name}: set path to a folder, or git to a repository, and not both.";
    }) cfg.dagBundles;

    services.airflow = {
      settings.dag_processor.dag_bundle_config_list = builtins.toJSON (
        [
          {
            name = "dags-folder";
            classpath = "airflow.dag_processing.bundles.local.LocalDagBundle";
            kwargs = { };
          }
        ]
        ++ lib.mapAttrsToList entry cfg.dagBundles
      );

      secrets = lib.mapAttrs' (
        name: bundle:
        lib.nameValuePair (keyOf name) {
          option = "services.airflow.dagBundles.${name}.git.keyFile";
          path = bundle.git.keyFile;
          roles = [
            "dag-processor"
            "worker"
          ];
          multiline = true;
          environment.GIT_SSH_COMMAND = ssh;
        }
      ) withKey;
    };

    systemd.services = lib.mkIf (ofGit != { }) (
      lib.mapAttrs (_: folder: {
        path = [ pkgs.git ];
        environment.AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH = "${folder}/dag-bundles";
      }) readers
    );
  };
}
