# Mail goes through the connection smtp_default, which Airflow's notifiers use.
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

  extras = lib.concatStringsSep "&" (
    [ "from_email=${lib.escapeURL cfg.smtp.from}" ]
    ++ lib.optional (cfg.smtp.encryption != "tls") "disable_ssl=true"
    ++ lib.optional (cfg.smtp.encryption != "starttls") "disable_tls=true"
  );
  address = "@${cfg.smtp.host}:${toString cfg.smtp.port}/?${extras}";
  user = lib.optionalString (cfg.smtp.user != null) (lib.escapeURL cfg.smtp.user);
in
{
  options.services.airflow.smtp = {
    enable = lib.mkEnableOption "mail from Airflow, by the connection `smtp_default`";

    host = mkOption {
      type = types.str;
      default = "localhost";
      example = "mail.example.org";
      description = "The mail server.";
    };

    port = mkOption {
      type = types.port;
      default = 25;
      example = 587;
      description = "TCP port of the mail server.";
    };

    encryption = mkOption {
      type = types.enum [
        "none"
        "starttls"
        "tls"
      ];
      default = "none";
      example = "starttls";
      description = "How the connection to the mail server is encrypted.";
    };

    from = mkOption {
      type = types.str;
      default = "airflow@localhost";
      example = "airflow@example.org";
      description = "Sender of the mail.";
    };

    user = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "User to log in as; null for a server that needs no login.";
    };

    passwordFile = mkOption {
      type = types.nullOr helpers.pathOutsideStore;
      default = null;
      example = "/run/agenix/airflow-smtp-password";
      description = "File with the user's password.";
    };
  };

  config = lib.mkIf (cfg.enable && cfg.smtp.enable) {
    services.airflow = {
      connectionLines = lib.singleton (
        if cfg.smtp.passwordFile == null then
          "printf '%s\\n' ${lib.escapeShellArg "smtp_default=smtp://${user}${address}"}"
        else
          "printf 'smtp_default=%s\\n' \"$(${helpers.credential} smtp-password ${
            lib.escapeShellArgs [
              "smtp://${user}:"
              address
            ]
          })\""
      );

      secrets.smtp-password = lib.mkIf (cfg.smtp.passwordFile != null) {
        option = "services.airflow.smtp.passwordFile";
        path = cfg.smtp.passwordFile;
        roles = [
          "alarm"
          "webserver"
          "scheduler"
          "dag-processor"
          "triggerer"
          "cli"
        ];
      };

      settings.email.from_email = lib.mkDefault cfg.smtp.from;
    };

    assertions = [
      {
        assertion = (cfg.smtp.user == null) == (cfg.smtp.passwordFile == null);
        message = "services.airflow.smtp: set user and passwordFile together, or neither.";
      }
      {
        assertion = !(cfg.connections ? smtp_default);
        message = "services.airflow.smtp.enable makes the connection smtp_default: set either it or services.airflow.connections.smtp_default.";
      }
    ];
  };
}
