# What the flake builds, for one nixpkgs.
pkgs:

let
  airflow = pkgs.callPackage ./airflow.nix { };
  lambda = job: pkgs.callPackage ./lambda.nix { inherit job; };
in
{
  inherit airflow;
  default = airflow;
  etl = airflow.pythonPackages.callPackage ./etl.nix { };
  lambda-load-events = lambda "load-events";
  lambda-organization-stats = lambda "organization-stats";
}
