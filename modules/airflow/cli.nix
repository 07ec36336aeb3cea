# The `airflow` command of administrators.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.airflow;
  helpers = import ./lib.nix { inherit config lib pkgs; };
in
{
  config = lib.mkIf (cfg.enable && helpers.hasServer) {
    environment.systemPackages = [
      (helpers.mkCommand {
        name = "airflow";
        user = "airflow";
        role = "cli";
        program = helpers.airflow;
        connections = true;
      })
    ];
  };
}
