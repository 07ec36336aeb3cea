# The commands of administrators.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.airflow;
  helpers = import ./lib.nix { inherit config lib pkgs; };

  mkCommand =
    name: program:
    helpers.mkCommand {
      inherit name program;
      user = "airflow";
      role = "cli";
      connections = true;
    };

  command = pkgs.writeText "airflow-command.py" (builtins.readFile ./airflow_command.py);
  rotate = pkgs.writeText "rotate-fernet-key.py" (builtins.readFile ./rotate_fernet_key.py);
in
{
  config = lib.mkIf (cfg.enable && helpers.hasServer) {
    environment.systemPackages = [
      (mkCommand "airflow" "${helpers.python} ${command}")
      (mkCommand "airflow-rotate-fernet-key" "${helpers.interpreter} ${rotate}")
    ];
  };
}
