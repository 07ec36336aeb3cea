# The first administrator of the web page, and roles of its users.
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

  rolesFile = pkgs.writeText "airflow-roles.json" (builtins.toJSON cfg.roles);
  script = pkgs.writeText "ensure-admin.py" (builtins.readFile ./ensure_admin.py);
in
{
  options.services.airflow.roles = mkOption {
    type = types.attrsOf (types.listOf (types.strMatching "[a-z_]+ on .+"));
    default = { };
    example = {
      Auditor = [ "can_read on Audit Logs" ];
    };
    description = ''
      Roles of the FAB auth manager by their names, with their permissions as
      `ACTION on RESOURCE`. `airflow-admin.service` makes them, and adds what a role
      lacks; it takes nothing away. Users get them on the page or by
      `airflow users create --role NAME …`.
    '';
  };

  options.services.airflow.admin = {
    enable = mkOption {
      type = types.bool;
      default = lib.hasSuffix "FabAuthManager" cfg.settings.core.auth_manager;
      defaultText = lib.literalExpression "settings.core.auth_manager is FAB's, as by default";
      description = "Whether to make a first administrator, in the FAB auth manager.";
    };

    username = mkOption {
      type = types.strMatching "[A-Za-z0-9_.@-]+";
      default = "admin";
      description = "Name to log in with.";
    };

    passwordFile = mkOption {
      type = types.nullOr helpers.pathOutsideStore;
      default = null;
      example = "/run/agenix/airflow-admin-password";
      description = ''
        File with the password. When it has changed, `airflow-admin.service` changes
        the password; users made by hand stay as they are. When null, the host makes
        a password on its first start: root reads it in
        `/var/lib/airflow/secrets/admin-password`.

        With another password a user's sessions and tokens end. To let go of somebody at
        once, `airflow users delete --username NAME`, or take "active" from the user on
        the page: within `settings.fab.cache_ttl` (5 s) nothing of theirs works any more.
        Otherwise a token is good for `settings.api_auth.jwt_expiration_time` and
        `jwt_leeway` (an hour together), but can be exchanged for a new one; a session ends after
        `settings.fab.session_lifetime_minutes` without activity (12 hours), and
        `settings.fab.session_max_lifetime_minutes` after the login (a week).
      '';
    };
  };

  config = lib.mkIf (cfg.enable && cfg.webserver.enable && cfg.admin.enable) {
    services.airflow = {
      generatedSecrets = lib.mkIf (cfg.admin.passwordFile == null) {
        admin-password = "head -c 18 /dev/urandom | base64";
      };

      secrets.admin-password = {
        option = "services.airflow.admin.passwordFile";
        path =
          if cfg.admin.passwordFile == null then
            "/var/lib/airflow/secrets/admin-password"
          else
            cfg.admin.passwordFile;
        roles = [ "admin" ];
      };
    };

    systemd.services.airflow-admin = helpers.mkService "airflow-admin" {
      description = "Airflow: the first administrator, their password, and the roles";
      role = "admin";
      after = [ "airflow-migrate.service" ];
      before = [ "airflow-webserver.service" ];
      requires = [ "airflow-migrate.service" ];
      wantedBy = [ "airflow.target" ];
      serviceConfig =
        helpers.oneshotConfig
        // helpers.offlineIfLocal
        // {
          ExecStart = "${helpers.python} ${script} ${cfg.admin.username} ${rolesFile}";
        };
    };
  };
}
