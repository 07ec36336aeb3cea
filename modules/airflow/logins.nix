# How people log in to the web page: FAB's own settings, and OpenID Connect.
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
  inherit (cfg.webserver) oidc;

  # What is valid JSON is valid Python, but for true, false and null.
  literal = builtins.toJSON;
in
{
  options.services.airflow.webserver = {
    config = mkOption {
      type = types.lines;
      default = "";
      example = ''
        from flask_appbuilder.const import AUTH_LDAP

        AUTH_TYPE = AUTH_LDAP
        AUTH_LDAP_SERVER = "ldaps://ldap.example.org"
        AUTH_LDAP_BIND_PASSWORD = credential("ldap-password")
      '';
      description = ''
        Settings of the FAB auth manager in Python, which become `webserver_config.py`;
        see [FAB's reference](https://flask-appbuilder.readthedocs.io/en/latest/security.html).
        `credential("NAME")` is a secret of {option}`services.airflow.extraCredentials`
        whose `roles` have `webserver` among them.
      '';
    };

    oidc = {
      issuer = mkOption {
        type = types.nullOr (types.strMatching "https?://.*[^/]");
        default = null;
        example = "https://id.example.org/realms/acme";
        description = ''
          Address of a server of OpenID Connect by which people log in, in place of a
          password here: that in front of `/.well-known/openid-configuration`. It is to
          send them back to `BASE/auth/oauth-authorized/oidc`, with `BASE` for
          `settings.api.base_url`. The passwords of Airflow's own users are good for
          tokens of its API still.
        '';
      };

      clientId = mkOption {
        type = types.str;
        default = "airflow";
        description = "What the server knows this Airflow as.";
      };

      clientSecretFile = mkOption {
        type = types.nullOr helpers.pathOutsideStore;
        default = null;
        example = "/run/agenix/airflow-oidc-secret";
        description = "File with the secret that the server has given it.";
      };

      scopes = mkOption {
        type = types.listOf types.str;
        default = [
          "openid"
          "profile"
          "email"
        ];
        example = [
          "openid"
          "profile"
          "email"
          "groups"
        ];
        description = "What it asks the server for. Some servers tell groups in a scope of their own.";
      };

      roles = mkOption {
        type = types.attrsOf (types.listOf types.str);
        default = { };
        example = {
          airflow-admins = [ "Admin" ];
          sales = [ "AccountManager" ];
        };
        description = ''
          Airflow's roles for members of groups, as the claim `groups` of the server
          names them. They are set anew at each login. A user is known by the claim
          `preferred_username`: whoever has that name here, the administrator too, is the
          same one, and has these roles from then on.
        '';
      };

      defaultRole = mkOption {
        type = types.str;
        default = "Public";
        example = "Viewer";
        description = "Role of everybody whom the server lets in. `Public` has no permissions by itself.";
      };
    };
  };

  config = lib.mkIf (cfg.enable && cfg.webserver.enable) (
    lib.mkMerge [
      (lib.mkIf (cfg.webserver.config != "") {
        # In its environment, so that a change restarts nothing else.
        systemd.services.airflow-webserver.environment.AIRFLOW__FAB__CONFIG_FILE = toString (
          pkgs.writeText "webserver_config.py" (
            ''
              import os
              from pathlib import Path


              def credential(name):
                  return Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text().strip()


            ''
            + cfg.webserver.config
          )
        );
      })

      (lib.mkIf (oidc.issuer != null) {
        assertions = [
          {
            assertion = oidc.clientSecretFile != null;
            message = "services.airflow.webserver.oidc: set clientSecretFile to the file with the secret that ${oidc.issuer} has given the client ${oidc.clientId}.";
          }
        ];

        services.airflow = {
          extraCredentials.oidc-client-secret = lib.mkIf (oidc.clientSecretFile != null) {
            option = "services.airflow.webserver.oidc.clientSecretFile";
            file = oidc.clientSecretFile;
            roles = [ "webserver" ];
          };

          webserver.config = ''
            from flask_appbuilder.const import AUTH_OAUTH

            AUTH_TYPE = AUTH_OAUTH
            OAUTH_PROVIDERS = [
                {
                    "name": "oidc",
                    "icon": "fa-key",
                    "token_key": "access_token",
                    "remote_app": {
                        "client_id": ${literal oidc.clientId},
                        "client_secret": credential("oidc-client-secret"),
                        "server_metadata_url": ${literal "${oidc.issuer}/.well-known/openid-configuration"},
                        "client_kwargs": {"scope": ${literal (lib.concatStringsSep " " oidc.scopes)}},
                    },
                }
            ]
            AUTH_USER_REGISTRATION = True
            AUTH_USER_REGISTRATION_ROLE = ${literal oidc.defaultRole}
            AUTH_ROLES_MAPPING = ${literal oidc.roles}
            AUTH_ROLES_SYNC_AT_LOGIN = True
          '';
        };
      })
    ]
  );
}
