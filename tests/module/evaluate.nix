# A configuration, evaluated with nixpkgs' real library.
{
  lib,
  modules,
}:

let
  pkgs = import ./packages.nix { inherit lib; };
  evaluated = lib.evalModules {
    specialArgs = {
      inherit pkgs;
      modulesPath = ./nixos;
    };
    modules = [
      ../../modules/airflow
      ../../modules/etl.nix
      ./services.nix
      ./systemd.nix
    ]
    ++ modules;
  };
in
evaluated
// {
  inherit pkgs;
  # As a NixOS system refuses to be built.
  refusals = map (refused: refused.message) (
    lib.filter (assertion: !assertion.assertion) evaluated.config.assertions
  );
}
