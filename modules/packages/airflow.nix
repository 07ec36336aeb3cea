# Airflow with its providers, in the versions of the project's lock: what tests and development run.
{
  callPackage,
  wheels ? ./wheels.json,
}:

let
  python = callPackage ./python.nix { inherit wheels; };
  environment = python.withPackages (ps: [ ps.apache-airflow ]);
in
environment
// {
  inherit (python.pkgs.apache-airflow) version;
  pythonPackages = python.pkgs;
}
