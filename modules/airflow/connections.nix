# Connections and variables of the configuration, which the web server, the scheduler,
# the DAG processor and the triggerer read through Airflow's LocalFilesystemBackend.
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
  fromFile = lib.filterAttrs (_: connection: connection.uriFile != null) cfg.connections;
  plain = lib.filterAttrs (_: connection: connection.uri != null) cfg.connections;
in
{
  options.services.airflow = {
    connections = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            uri = mkOption {
              type = types.nullOr types.str;
              default = null;
              example = "http://api.example.org/?timeout=10";
              description = ''
                The connection as a URI. It is in the Nix store: only for one
                without a secret.
              '';
            };
            uriFile = mkOption {
              type = types.nullOr helpers.pathOutsideStore;
              default = null;
              example = "/run/agenix/airflow-connection-crm";
              description = "File with the connection as a URI, on one line.";
            };
          };
        }
      );
      default = { };
      example = lib.literalExpression ''
        {
          crm.uriFile = "/run/agenix/airflow-connection-crm";
          status_page.uri = "http://status.example.org";
        }
      '';
      description = ''
        Connections by their id. They are not shown in the web page, take precedence
        over those made there, and tasks on every worker get them from the web
        server. Set them on the main host only.
      '';
    };

    variables = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        region = "eu-west-1";
      };
      description = ''
        Airflow variables by their key, served like
        {option}`services.airflow.connections`. They are in the Nix store: no secrets.
      '';
    };

    connectionLines = mkOption {
      type = types.listOf types.str;
      default = [ ];
      internal = true;
      description = "Shell commands that print the lines of the connections file.";
    };

    variablesFile = mkOption {
      type = types.package;
      internal = true;
      readOnly = true;
      description = "The variables as a file.";
    };

    hasSecretsBackend = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      description = "Whether there are connections or variables to serve.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.airflow = {
      variablesFile = pkgs.writeText "airflow-variables.json" (builtins.toJSON cfg.variables);

      hasSecretsBackend = cfg.connectionLines != [ ] || cfg.variables != { };

      connectionLines =
        lib.mapAttrsToList (
          id: connection: "printf '%s\\n' ${lib.escapeShellArg "${id}=${connection.uri}"}"
        ) plain
        ++ lib.mapAttrsToList (
          id: _: "printf '%s=%s\\n' ${id} \"$(< \"$CREDENTIALS_DIRECTORY/connection-${id}\")\""
        ) fromFile;

      secrets = lib.mapAttrs' (id: connection: {
        name = "connection-${id}";
        value = {
          option = "services.airflow.connections.${id}.uriFile";
          path = connection.uriFile;
          roles = [
            "webserver"
            "scheduler"
            "dag-processor"
            "triggerer"
            "cli"
          ];
        };
      }) fromFile;
    };

    assertions = lib.concatLists (
      lib.mapAttrsToList (id: connection: [
        {
          assertion = (connection.uri == null) != (connection.uriFile == null);
          message = "services.airflow.connections.${id}: set exactly one of uri and uriFile.";
        }
        {
          assertion = builtins.match "[A-Za-z0-9_.-]+" id != null;
          message = "services.airflow.connections: ${id} is no connection id; letters, digits, dots, hyphens and underscores make one.";
        }
      ]) cfg.connections
    );
  };
}
